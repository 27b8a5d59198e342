/**
 * A cluster of real node processes on this machine, children of this one.
 *
 * Each child is `balsa node start` as anybody could type it, with a channel to its
 * parent: when the parent goes, however it goes, the channel closes and the child
 * stops by itself. A child that dies is reported and left dead: whoever killed it
 * wants to see what happens.
 */
import { spawn, type ChildProcess } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { usageError } from "./failure.js";

/** How far the client ports lie behind the peer ports. */
const CLIENT_PORT_OFFSET = 1000;
const NODES_MAX = 9;
const PORT_MAX = 65_535;
/** How long a child may take to stop before it is killed. Milliseconds. */
const STOP_MS_MAX = 10_000;

export interface DevNode {
  readonly id: string;
  readonly peer: string;
  readonly client: string;
  readonly directory: string;
  /** what follows the executable's name */
  readonly words: readonly string[];
}

export interface DevPlan {
  readonly nodes: number;
  readonly basePort: number;
  readonly directory: string;
}

/** Ids, ports and command lines of the nodes. @throws {CommandError} usage */
export function planDevCluster(plan: DevPlan): readonly DevNode[] {
  const { nodes: count, basePort, directory } = plan;
  if (count < 1 || count > NODES_MAX) {
    throw usageError(`--nodes ${count} is not from 1 to ${NODES_MAX}`, "--nodes 3");
  }
  const lastPort = basePort + CLIENT_PORT_OFFSET + count - 1;
  if (basePort < 1 || lastPort > PORT_MAX) {
    throw usageError(
      `--base-port ${basePort} leaves no room: ports ${basePort} to ${lastPort} are needed`,
      "--base-port 13141",
    );
  }
  const members = Array.from({ length: count }, (_, at) => ({
    id: `n${at + 1}`,
    peer: `127.0.0.1:${basePort + at}`,
    client: `127.0.0.1:${basePort + CLIENT_PORT_OFFSET + at}`,
  }));
  const cluster = members.map(({ id, peer }) => `${id}=${peer}`).join(",");
  return members.map(({ id, peer, client }) => {
    const data = path.join(directory, id);
    return {
      id,
      peer,
      client,
      directory: data,
      words: [
        "node",
        "start",
        "--id",
        id,
        "--peer",
        peer,
        "--client",
        client,
        "--cluster",
        cluster,
        "--data",
        data,
      ],
    };
  });
}

/** How a child ended. */
export interface DevExit {
  readonly node: DevNode;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** whether it had served before */
  readonly wasReady: boolean;
  /** its last line, which says why it failed to start */
  readonly lastLine: string;
}

export interface DevClusterEvents {
  /** a line a child printed */
  readonly onLine: (id: string, line: string) => void;
  /** a child ended although nobody here had asked it to */
  readonly onExit: (exit: DevExit) => void;
}

interface Child {
  readonly node: DevNode;
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  alive: boolean;
}

export class DevCluster {
  readonly nodes: readonly DevNode[];
  readonly #children: Child[] = [];
  readonly #events: DevClusterEvents;
  #stopping: Promise<void> | undefined;

  constructor(nodes: readonly DevNode[], events: DevClusterEvents) {
    this.nodes = nodes;
    this.#events = events;
  }

  get aliveCount(): number {
    return this.#children.filter(({ alive }) => alive).length;
  }

  /** Process id of a node; undefined when it is gone. */
  pidOf(id: string): number | undefined {
    return this.#children.find(({ node, alive }) => alive && node.id === id)?.process.pid;
  }

  /** Starts every node; resolves when each serves its clients, or with the first that ended instead. */
  async start(executable: readonly string[]): Promise<DevExit | undefined> {
    const starts = this.nodes.map((node) => this.#spawn(node, executable));
    const failed = new Promise<DevExit>((resolve) => {
      for (const { failed: failure } of starts) void failure.then(resolve);
    });
    const ready = Promise.all(starts.map(({ ready: one }) => one)).then(() => undefined);
    return Promise.race([ready, failed]);
  }

  #spawn(
    node: DevNode,
    [program = process.execPath, ...before]: readonly string[],
  ): { readonly ready: Promise<void>; readonly failed: Promise<DevExit> } {
    const child = spawn(program, [...before, ...node.words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    let isReady = false;
    let lastLine = "";
    const ready = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on("line", (line) => {
          if (stream === child.stdout && line === "ready") {
            isReady = true;
            resolve();
            return;
          }
          if (line.startsWith("Error: ")) lastLine = line;
          this.#events.onLine(node.id, line);
        });
      }
    });
    let onEnded: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (onEnded = resolve));
    const entry: Child = { node, process: child, ended, alive: true };
    this.#children.push(entry);
    const failed = new Promise<DevExit>((resolve) => {
      child.once("error", (error) => (lastLine = `Error: ${error.message}`));
      // "close" comes after the last line was read, and also after a failed start
      child.once("close", (code, signal) => {
        entry.alive = false;
        onEnded();
        const exit: DevExit = { node, code, signal, wasReady: isReady, lastLine };
        if (this.#stopping === undefined && isReady) this.#events.onExit(exit);
        if (!isReady) resolve(exit);
      });
    });
    return { ready, failed };
  }

  /** Asks every child to stop and waits until all have; kills what does not obey. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    this.#signal("SIGTERM");
    const impatience = setTimeout(() => {
      this.kill();
    }, STOP_MS_MAX);
    await Promise.all(this.#children.map(({ ended }) => ended));
    clearTimeout(impatience);
  }

  /** Ends every child at once, without goodbye: what `kill -9` does. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    for (const { process: child, alive } of this.#children) {
      if (alive) child.kill(signal);
    }
  }
}

/** Words as a shell takes them back. */
export function shellLine(words: readonly string[]): string {
  return words
    .map((word) =>
      /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
    )
    .join(" ");
}
