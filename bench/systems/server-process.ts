/**
 * A server under load: a process of its own with its output in a file. None
 * outlives this process, unless this one is killed without a word; Balsa's nodes
 * not even then, because they watch the channel to their parent.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export interface ServerOptions {
  readonly program: string;
  readonly words: readonly string[];
  /** what it prints */
  readonly logFile: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** How long a server may take to stop before it is killed. Milliseconds. */
const STOP_MS_MAX = 10_000;
const POLL_MS = 20;
const ANSWER_MS_MAX = 60_000;
const TAIL_SIZE = 600;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #options: ServerOptions;
  readonly ended: Promise<void>;
  /** resolves when it prints `ready` on a line of its own */
  readonly ready: Promise<void>;
  #hasEnded = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    mkdirSync(path.dirname(options.logFile), { recursive: true });
    const log = createWriteStream(options.logFile, { flags: "a" });
    const child = spawn(options.program, options.words, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...options.environment },
    });
    this.#child = child;
    running.add(child);
    child.stderr?.pipe(log, { end: false });
    this.ended = new Promise((resolve) => {
      const onEnd = (): void => {
        this.#hasEnded = true;
        running.delete(child);
        log.end();
        resolve();
      };
      child.once("error", onEnd);
      child.once("close", onEnd);
    });
    this.ready = new Promise((resolve, reject) => {
      let printed = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        log.write(chunk);
        printed = (printed + chunk.toString()).slice(-TAIL_SIZE);
        if (/^ready$/m.test(printed)) resolve();
      });
      void this.ended.then(() => {
        reject(new Error(`${options.program} ended before it was ready: ${this.lastWords()}`));
      });
    });
    // Whoever does not wait for it is not to fail because of it.
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#hasEnded ? undefined : this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The end of what it printed. */
  lastWords(): string {
    try {
      return readFileSync(this.#options.logFile, "utf8").slice(-TAIL_SIZE).trim();
    } catch {
      return "";
    }
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const impatience = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS_MAX);
    await this.ended;
    clearTimeout(impatience);
  }

  /** kill -9 */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** Asks again and again until there is an answer. @throws {Error} after a minute */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  pollMs: number = POLL_MS,
): Promise<T> {
  const deadlineMs = performance.now() + ANSWER_MS_MAX;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    if (performance.now() > deadlineMs) throw new Error(`${what}: no answer in a minute`);
    await sleep(pollMs);
  }
}
