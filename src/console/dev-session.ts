/**
 * `balsa dev` from start to stop: bring the nodes up, wait for a leader, say how
 * to use them, then wait: for Ctrl-C, for a command's end, or for the last node.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterStatus } from "../node/service.js";
import { DevCluster, shellLine, type DevExit, type DevNode } from "./dev-cluster.js";
import { CommandError, EXIT } from "./failure.js";

export interface DevOptions {
  readonly nodes: readonly DevNode[];
  /** the executable and what stands before a command's words */
  readonly executable: readonly string[];
  /** a shell command to run instead of waiting */
  readonly exec: string | undefined;
  readonly leaderTimeoutMs: number;
  /** one line for a person */
  readonly note: (line: string) => void;
  /** called once there is a leader */
  readonly onLeader: (up: DevUp) => Promise<void>;
  /** asks the cluster, by its client addresses */
  readonly askStatus: (endpoints: readonly string[]) => Promise<ClusterStatus>;
}

/** A cluster that serves. */
export interface DevUp {
  readonly endpoints: string;
  readonly leader: string;
  readonly nodes: readonly (DevNode & { readonly pid: number | undefined })[];
}

const LEADER_POLL_MS = 50;
const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Runs until it is over; resolves with the exit code. */
export async function runDevSession(options: DevOptions): Promise<number> {
  const { note, executable } = options;
  let onStop: (code: number) => void = () => undefined;
  const stopped = new Promise<number>((resolve) => (onStop = resolve));
  const cluster = new DevCluster(options.nodes, {
    onLine: (id, line) => {
      note(`${id} | ${line}`);
    },
    onExit: (exit) => {
      note(describeExit(exit, executable));
      if (cluster.aliveCount === 0) {
        note("every node is gone");
        onStop(EXIT.unexpected);
      }
    },
  });
  let signalCount = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signalCount += 1;
    if (signalCount > 1 && signal === "SIGINT") cluster.kill();
    else note("stopping every node; Ctrl-C again kills them");
    onStop(EXIT.success);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    const stopping = new AbortController();
    void stopped.then(() => {
      stopping.abort();
    });
    const up = await Promise.race([bringUp(cluster, options, stopping.signal), stopped]);
    if (typeof up === "number") return up;
    await options.onLeader(up);
    if (options.exec === undefined) return await stopped;
    return await Promise.race([runShell(options.exec, up.endpoints, stopping.signal), stopped]);
  } finally {
    await cluster.stop();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

async function bringUp(
  cluster: DevCluster,
  options: DevOptions,
  stopping: AbortSignal,
): Promise<DevUp | number> {
  const failed = await cluster.start(options.executable);
  if (failed !== undefined) throw startFailure(failed);
  const endpoints = options.nodes.map(({ client }) => client);
  const deadline = performance.now() + options.leaderTimeoutMs;
  for (;;) {
    if (stopping.aborted) return EXIT.success;
    const status = await options.askStatus(endpoints).catch(() => undefined);
    const leader = status?.leader ?? undefined;
    if (leader !== undefined) {
      return {
        endpoints: endpoints.join(","),
        leader,
        nodes: options.nodes.map((node) => ({ ...node, pid: cluster.pidOf(node.id) })),
      };
    }
    if (performance.now() > deadline) {
      throw new CommandError(
        "NO_LEADER",
        EXIT.unavailable,
        "the nodes run but elected no leader in time",
        {
          retryable: true,
          tryThis: "balsa dev --timeout 60s",
        },
      );
    }
    await sleep(LEADER_POLL_MS);
  }
}

/** What a child said when it could not start, with its own exit code. */
function startFailure({ node, code, signal, lastLine }: DevExit): CommandError {
  const why =
    lastLine === ""
      ? `it ended with ${signal ?? `code ${code ?? "unknown"}`}`
      : lastLine.slice("Error: ".length);
  return new CommandError(
    "START_FAILED",
    code ?? EXIT.unexpected,
    `node ${node.id} did not start: ${why}`,
    {
      tryThis:
        code === EXIT.usage
          ? "the --nodes and --base-port that --dir was made with, or another --dir"
          : "another --base-port when a port is taken, another --dir when the directory is; or stop the other cluster",
    },
  );
}

function describeExit({ node, code, signal }: DevExit, executable: readonly string[]): string {
  const how = signal === null ? `ended with code ${code ?? "unknown"}` : `was ended by ${signal}`;
  return [
    `node ${node.id} ${how}; it is not started again by itself. To bring it back, in another terminal:`,
    `  ${shellLine([...executable, ...node.words])}`,
  ].join("\n");
}

/** Runs a command in a shell that knows the cluster; its exit code, or 128 + the signal that ended it. */
async function runShell(
  command: string,
  endpoints: string,
  stopping: AbortSignal,
): Promise<number> {
  const child = spawn(command, {
    shell: true,
    stdio: "inherit",
    env: { ...process.env, BALSA_ENDPOINTS: endpoints },
  });
  // Whoever stops the cluster stops what runs on it.
  stopping.addEventListener("abort", () => child.kill("SIGTERM"));
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
