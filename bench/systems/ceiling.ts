/**
 * The yardstick (bench/ceiling): three processes of plain Node.js that replicate and
 * flush, and do nothing else that a database must. It says what this machine can do.
 */
import path from "node:path";
import process from "node:process";
import { freeBasePort } from "./ports.js";
import { ServerProcess } from "./server-process.js";
import type { System } from "./system.js";

const CEILING = path.resolve(import.meta.dirname, "../ceiling");
const FOLLOWERS = 2;
const CLIENT_OFFSET = 1000;

/** Resolves when all three nodes are there. */
export async function startCeiling(directory: string): Promise<System> {
  const system = new Ceiling(directory, await freeBasePort(1));
  await system.start();
  return system;
}

class Ceiling implements System {
  readonly name = "ceiling";
  readonly version = process.version;
  readonly remark =
    "3 processes; a write is on disk at a majority before its answer; NO DATABASE: no elections, versions, sessions, recovery";
  readonly dialect = "resp";
  readonly waitReplicas = 0;
  readonly #directory: string;
  readonly #peerPort: number;
  #nodes: readonly ServerProcess[] = [];

  constructor(directory: string, peerPort: number) {
    this.#directory = directory;
    this.#peerPort = peerPort;
  }

  get pids(): readonly number[] {
    return this.#nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get logDirectories(): readonly string[] {
    return Array.from({ length: 1 + FOLLOWERS }, (_, at) => path.join(this.#directory, `c${at}`));
  }

  async start(): Promise<void> {
    const [own = "", ...others] = this.logDirectories;
    const clientPort = this.#peerPort + CLIENT_OFFSET;
    const leader = startNode("leader", [own, String(clientPort), String(this.#peerPort)]);
    this.#nodes = [leader];
    await leader.ready;
    const followers = others.map((each) => startNode("follower", [each, String(this.#peerPort)]));
    this.#nodes = [leader, ...followers];
    await Promise.all(followers.map(({ ready }) => ready));
  }

  leaderPort(): Promise<number> {
    return Promise.resolve(this.#peerPort + CLIENT_OFFSET);
  }

  /** A follower serves nobody. */
  followerPorts(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  killAt(): Promise<void> {
    return Promise.reject(new Error("nobody takes over from the ceiling's leader"));
  }

  startAt(): Promise<void> {
    return Promise.reject(new Error("the ceiling does not come back"));
  }

  /** Empty. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The leader first: its followers get what it has sent, and end. */
  async stop(): Promise<void> {
    const [leader, ...followers] = this.#nodes;
    await leader?.stop();
    await Promise.all(followers.map((follower) => follower.stop()));
  }
}

function startNode(role: "leader" | "follower", words: readonly string[]): ServerProcess {
  const [directory = ""] = words;
  return new ServerProcess({
    program: process.execPath,
    words: [path.join(CEILING, `${role}.js`), ...words],
    logFile: `${directory}.out`,
  });
}
