/**
 * Real node processes and real command lines, for the end-to-end tests: what a
 * person does in several terminals, in one program.
 */
import assert from "node:assert/strict";
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type ClusterStatus } from "../../src/index.js";
import type { CommandAnswered, CommandAsked } from "./command-runner.js";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const BALSA = path.join(ROOT, "bin", "balsa.js");
/** Commands have as much time as the tests: how fast a disk is, is no fact of theirs. */
export const CONFIGURATION = path.join(ROOT, "test", "end-to-end", "patient.config.json");

/**
 * How long anything is waited for, in milliseconds: only so long that a test which waits in
 * vain says what for. No fact is about it; a disk may stand still for seconds at any moment.
 */
export const PATIENCE_MS = 240_000;
/** Of a first look at a cluster's state, in milliseconds; of further ones it is more. */
const LOOK_MS = 2000;
/** The exit code that proves that nothing was done: no node, or no leader, in time. */
const UNAVAILABLE = 5;

/**
 * Flags of clusters of which a test needs that their leader stays: a command at a shell
 * does not know what became of a write under a leader that was lost. With the usual 150 ms
 * a busy machine or a slow disk has elections when it likes.
 */
export const STEADY: readonly string[] = ["--election-timeout", "5s"];

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What this process was given, without what it was told of Balsa. */
function surroundings(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => !name.startsWith("BALSA_"));
  return {
    ...Object.fromEntries(names.map((name) => [name, process.env[name]])),
    NO_COLOR: "1",
  };
}

/** Runs one command line to its end. */
export async function balsa(
  commandLine: readonly string[],
  options: { readonly stdin?: Uint8Array; readonly endpoints?: string } = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [BALSA, ...commandLine], {
    env: {
      ...surroundings(),
      BALSA_ENDPOINTS: options.endpoints ?? "",
      BALSA_CONFIG: CONFIGURATION,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout = collect(child, "stdout");
  const stderr = collect(child, "stderr");
  child.stdin.on("error", () => undefined); // it may end before it read everything
  child.stdin.end(options.stdin ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/**
 * Runs it again while it says that no node was there for it. A command gives up soon when
 * nobody answers, as a node does that the machine has stopped; and what ends so has done nothing.
 */
async function served(run: () => Promise<Finished>): Promise<Finished> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const finished = await run();
    if (finished.code !== UNAVAILABLE || performance.now() > deadline) return finished;
  }
}

/** The same, and it must succeed. */
export async function balsaOk(
  commandLine: readonly string[],
  options: Parameters<typeof balsa>[1] = {},
): Promise<string> {
  return outputOf(commandLine, await served(() => balsa(commandLine, options)));
}

let runner: ChildProcess | undefined;
let asked = 0;

/**
 * Runs one command line in a process that runs many, in their order: as `balsa`, but
 * for a process of its own and an input, and fifty times as cheap.
 */
export async function command(
  commandLine: readonly string[],
  options: {
    readonly endpoints?: string;
    /** where it runs; default: where the tests do */
    readonly directory?: string;
    /** what it finds of BALSA_…, instead of the endpoints */
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<Finished> {
  runner ??= startRunner();
  const child = runner;
  asked += 1;
  const number = asked;
  const answered = new Promise<Finished>((resolve, reject) => {
    const onMessage = (answer: CommandAnswered): void => {
      if (answer.number !== number) return;
      child.off("message", onMessage).off("exit", onExit);
      resolve(answer);
    };
    const onExit = (): void => {
      reject(new Error(`balsa ${commandLine.join(" ")} ended the process of all commands`));
    };
    child.on("message", onMessage).once("exit", onExit);
  });
  const {
    endpoints = "",
    directory = process.cwd(),
    environment = { BALSA_ENDPOINTS: endpoints, BALSA_CONFIG: CONFIGURATION },
  } = options;
  child.send({ number, commandLine, directory, environment } satisfies CommandAsked);
  return answered;
}

function startRunner(): ChildProcess {
  const child = fork(path.join(import.meta.dirname, "command-runner.js"), {
    env: surroundings(),
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.setMaxListeners(0); // two for each command that waits for its turn
  // It must not keep this process: it ends when this one does.
  child.unref();
  child.channel?.unref();
  return child;
}

/** The same, and a node was there for it. */
export async function commandServed(
  commandLine: readonly string[],
  options: Parameters<typeof command>[1] = {},
): Promise<Finished> {
  return served(() => command(commandLine, options));
}

/** The same, and it must succeed. */
export async function commandOk(
  commandLine: readonly string[],
  options: Parameters<typeof command>[1] = {},
): Promise<string> {
  return outputOf(commandLine, await commandServed(commandLine, options));
}

function outputOf(commandLine: readonly string[], finished: Finished): string {
  assert.equal(
    finished.code,
    0,
    `balsa ${commandLine.join(" ")} ended with ${String(finished.code)}: ${finished.stderr}`,
  );
  return finished.stdout;
}

function collect(child: ChildProcess, stream: "stdout" | "stderr"): { text: () => string } {
  const chunks: Buffer[] = [];
  child[stream]?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { text: () => Buffer.concat(chunks).toString() };
}

/** @param file a thread's "stat": number, name in parentheses, state. One that has ended does nothing any more. */
function isStopped(file: string): boolean {
  try {
    return /^.*\) [TtZXx] /s.test(readFileSync(file, "utf8"));
  } catch {
    return !existsSync(file);
  }
}

/** One node of a cluster under test. */
export class NodeProcess {
  readonly id: string;
  readonly peer: string;
  readonly client: string;
  readonly directory: string;
  readonly #cluster: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #log = "";

  constructor(options: {
    readonly id: string;
    readonly peer: string;
    readonly client: string;
    readonly directory: string;
    readonly cluster: string;
    readonly flags?: readonly string[];
  }) {
    this.id = options.id;
    this.peer = options.peer;
    this.client = options.client;
    this.directory = options.directory;
    this.#cluster = options.cluster;
    this.#flags = options.flags ?? [];
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    assert.ok(pid !== undefined, `${this.id} runs`);
    return pid;
  }

  /** What the node said on stderr since the test began. */
  get log(): string {
    return this.#log;
  }

  /** Starts the node and waits for its `ready`. */
  async start(): Promise<void> {
    assert.ok(this.#child === undefined, `${this.id} is not running yet`);
    const child = spawn(
      process.execPath,
      [
        BALSA,
        ...["node", "start", "--id", this.id, "--peer", this.peer, "--client", this.client],
        ...["--cluster", this.#cluster, "--data", this.directory, ...this.#flags],
      ],
      { stdio: ["ignore", "pipe", "pipe"], env: surroundings() },
    );
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => (this.#log += chunk.toString()));
    await new Promise<void>((resolve, reject) => {
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString();
        if (/^ready$/m.test(out)) resolve();
      });
      child.once("exit", () => {
        if (this.#child === child) this.#child = undefined;
      });
      // Behind the last that it said, which may come after its end.
      child.once("close", (code, signal) => {
        reject(
          new Error(`${this.id} ended (${String(code ?? signal)}) before ready: ${this.#log}`),
        );
      });
    });
  }

  /** Stops it, as Ctrl-Z does: it goes on with `thaw`. Resolves when no thread of it does anything any more. */
  async freeze(): Promise<void> {
    process.kill(this.pid, "SIGSTOP");
    const threads = `/proc/${this.pid}/task`;
    // Where this cannot be seen, it is stopped soon enough.
    if (!existsSync(threads)) return;
    while (!readdirSync(threads).every((thread) => isStopped(path.join(threads, thread, "stat"))))
      await pause(1);
  }

  thaw(): void {
    process.kill(this.pid, "SIGCONT");
  }

  /** Ends the process and waits for it; @returns its exit code, or null after a signal. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    const ended = once(child, "exit") as Promise<[number | null]>;
    child.kill(signal);
    const [code] = await ended;
    this.#child = undefined;
    return code;
  }
}

/** A cluster of node processes in a directory of its own. */
export class ClusterProcesses implements AsyncDisposable {
  readonly nodes: readonly NodeProcess[];
  readonly directory: string;
  /** of the next look: twice as long after one in vain, for a slow machine never answers in a short time */
  #lookMs = LOOK_MS;

  constructor(count: number, basePort: number, flags: readonly string[] = []) {
    this.directory = mkdtempSync(path.join(tmpdir(), "balsa-e2e-"));
    const members = Array.from({ length: count }, (_, i) => ({
      id: `n${i + 1}`,
      peer: `127.0.0.1:${basePort + i}`,
      client: `127.0.0.1:${basePort + 1000 + i}`,
    }));
    const cluster = members.map(({ id, peer }) => `${id}=${peer}`).join(",");
    this.nodes = members.map(
      (member) =>
        new NodeProcess({
          ...member,
          cluster,
          flags,
          directory: path.join(this.directory, member.id),
        }),
    );
  }

  node(id: string): NodeProcess {
    const found = this.nodes.find((node) => node.id === id);
    assert.ok(found !== undefined, `node ${id} exists`);
    return found;
  }

  get running(): readonly NodeProcess[] {
    return this.nodes.filter((node) => node.running);
  }

  get endpoints(): string {
    return this.running.map(({ client }) => client).join(",");
  }

  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
  }

  /**
   * As the library tells it, from the first node that answers; undefined while none does.
   * @param asked default: the running nodes
   */
  async status(asked = this.endpoints): Promise<ClusterStatus | undefined> {
    const endpoints = asked.split(",");
    await using database = connect({ endpoints, timeoutMs: this.#lookMs });
    try {
      const status = await database.status();
      this.#lookMs = LOOK_MS;
      return status;
    } catch {
      this.#lookMs = Math.min(2 * this.#lookMs, PATIENCE_MS);
      return undefined;
    }
  }

  /** Waits until the running nodes have a leader among them. */
  async leader(): Promise<NodeProcess> {
    const status = await this.until("a leader", async () => {
      const seen = await this.status();
      return seen?.leader != null && this.node(seen.leader).running ? seen : undefined;
    });
    return this.node(status.leader ?? "");
  }

  /** The term of a leader that the running nodes have. */
  async term(): Promise<number> {
    await this.leader();
    return this.until("a term", async () => (await this.status())?.term);
  }

  /**
   * Runs `task`, and again when it has failed and another leader was elected meanwhile: what
   * was asked of one that is lost is refused, or stays unknown.
   */
  async undisturbed(task: () => Promise<void>): Promise<void> {
    for (;;) {
      const term = await this.term();
      try {
        await task();
        return;
      } catch (error) {
        if ((await this.term()) === term) throw error;
      }
    }
  }

  /** Waits until every running node has applied the same last entry. */
  async caughtUp(): Promise<ClusterStatus> {
    return this.until("every replica caught up", async () => {
      const status = await this.status();
      const alive = status?.nodes.filter((node) => node.alive) ?? [];
      if (alive.length !== this.running.length) return undefined;
      const lasts = new Set(alive.flatMap((node) => [node.lastIndex, node.appliedIndex]));
      return lasts.size === 1 ? status : undefined;
    });
  }

  /** Waits until the leader knows one node to be alive and to have all it has. */
  async caughtUpTo(id: string): Promise<void> {
    await this.until(`${id} caught up`, async () => {
      const status = await this.status();
      const node = status?.nodes.find((one) => one.id === id);
      // Under load its match is always a little behind.
      return node?.alive === true && (node.lag ?? Infinity) < 100 ? true : undefined;
    });
  }

  /** Asks again and again until there is an answer. */
  async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() > deadline) {
        const logs = this.nodes.map((node) => `--- ${node.id}\n${node.log}`).join("\n");
        assert.fail(`no sign of ${what} within ${PATIENCE_MS} ms\n${logs}`);
      }
      await pause(20);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.running.map((node) => node.end("SIGTERM")));
  }

  /**
   * Stops all nodes, and their logs are equal. Whoever stops first may lack the first entry
   * of a leader who came after, or end with what its own leadership did not commit; then they
   * start once more. Never is one log another.
   */
  async stopAlike(): Promise<void> {
    const directories = this.nodes.map(({ directory }) => directory);
    await this.until("equal logs", async () => {
      await this.caughtUp();
      await this.stop();
      const { code, stdout } = await command(["log", "compare", ...directories, "--json"]);
      const { kind } = JSON.parse(stdout) as { kind: string };
      const isTail = kind === "lag" || stdout.includes('"fate":"will-be-truncated"');
      if (!isTail) assert.deepEqual([code, kind], [0, "equal"], stdout);
      else await this.start();
      return isTail ? undefined : true;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((node) => node.end("SIGKILL")));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
