/** A real redis-server for the length of some tests, to say the same to it and to our door. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { reservePort } from "../../ports.js";
import { RespClient } from "./resp-client.js";
import { withDoor } from "./serve.js";
import type { Served } from "./serve.js";

const PATH = "/usr/bin/redis-server";

export type Args = readonly string[];
/** A whole number from 0, below its argument. */
export type Random = (below: number) => number;

/** A seeded generator (mulberry32). */
export function randomSource(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Whether a program of Redis' is installed, of the version whose words are known; says so aloud when not. */
export function isAtHand(program: string): boolean {
  if (!existsSync(program)) {
    console.log(`      SKIPPED: no ${program}; install redis-server and redis-tools`);
    return false;
  }
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  if (/[ =]7\.\d+\.\d+/.test(stdout)) return true;
  console.log(`      SKIPPED: ${program} is not of version 7: ${stdout.trim()}`);
  return false;
}

export interface Both {
  /** The same command to both, and their replies. */
  readonly say: (args: Args) => Promise<[theirs: string, ours: string]>;
  readonly theirs: RespClient;
  readonly ours: RespClient;
  /** another connection to each */
  readonly other: (args: Args) => Promise<[theirs: string, ours: string]>;
  readonly service: Served["service"];
}

export class RedisServer {
  #child: ChildProcess | undefined;
  #port = 0;

  /** False, said aloud, where it is not installed. */
  async start(): Promise<boolean> {
    if (!isAtHand(PATH)) return false;
    this.#port = await reservePort();
    const args = ["--port", String(this.#port), "--bind", "127.0.0.1", "--dir", tmpdir()];
    this.#child = spawn(PATH, [...args, "--save", "", "--appendonly", "no"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await lineFrom(this.#child, "Ready to accept connections");
    return true;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  /** With both empty; our clock shows the time of day, as theirs. */
  async sideBySide(body: (both: Both) => Promise<void>): Promise<void> {
    await withDoor(async ({ client, port, service }) => {
      const theirs = await RespClient.connect(this.#port);
      const [otherTheirs, otherOurs] = [
        await RespClient.connect(this.#port),
        await RespClient.connect(port),
      ];
      const saying =
        (their: RespClient, our: RespClient) =>
        async (args: Args): Promise<[string, string]> => {
          service.time = Date.now();
          return Promise.all([their.command(...args), our.command(...args)]);
        };
      try {
        await theirs.command("FLUSHALL");
        await body({
          ...{ theirs, service, ours: client },
          say: saying(theirs, client),
          other: saying(otherTheirs, otherOurs),
        });
      } finally {
        for (const each of [theirs, otherTheirs, otherOurs]) each.close();
      }
    });
  }
}

/** Waits until the child has printed `text`. */
async function lineFrom(child: ChildProcess, text: string): Promise<void> {
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes(text)) resolve();
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`redis-server ended with ${String(code)}: ${printed}`));
    });
  });
}
