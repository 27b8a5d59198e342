/**
 * Redis of the system's packages, with `appendfsync always`: alone, where nothing
 * is replicated; or with two replicas and a WAIT 1 behind each piece of writes,
 * which says that a replica has received them, not that they are on its disk.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { freeBasePort } from "./ports.js";
import { ServerProcess, until } from "./server-process.js";
import type { System } from "./system.js";

/** Undefined when it is not installed. */
export function redisVersion(): string | undefined {
  const { status, stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  return /v=(\S+)/.exec(stdout)?.[1] ?? "unknown";
}

/** Resolves when it answers, and its replicas follow. */
export async function startRedis(
  directory: string,
  version: string,
  replicas: 0 | 2,
): Promise<System> {
  const system = new Redis(directory, version, await freeBasePort(1 + replicas), replicas);
  await system.start();
  return system;
}

class Redis implements System {
  readonly name: System["name"];
  readonly version: string;
  readonly remark: string;
  readonly dialect = "resp";
  readonly waitReplicas: number;
  readonly #directory: string;
  readonly #basePort: number;
  readonly #replicas: number;
  readonly #servers = new Map<number, ServerProcess>();

  constructor(directory: string, version: string, basePort: number, replicas: 0 | 2) {
    this.#directory = directory;
    this.version = version;
    this.#basePort = basePort;
    this.#replicas = replicas;
    this.waitReplicas = replicas === 0 ? 0 : 1;
    this.name = replicas === 0 ? "redis" : "redis-wait";
    this.remark =
      replicas === 0
        ? "one node, appendfsync always: on one disk, not replicated"
        : "two replicas, appendfsync always, WAIT 1: on one disk, received by one replica; no failover";
  }

  get pids(): readonly number[] {
    return [...this.#servers.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get logDirectories(): readonly string[] {
    return [path.join(this.#directory, "r0", "appendonlydir")];
  }

  async start(): Promise<void> {
    for (let at = 0; at <= this.#replicas; at += 1) await this.startAt(this.#basePort + at);
    await until("Redis and its replicas", async () => {
      const replication = await ask(this.#basePort, "INFO replication\r\n");
      const online = [...replication.matchAll(/state=online/g)].length;
      return online === this.#replicas ? true : undefined;
    });
  }

  leaderPort(): Promise<number> {
    return Promise.resolve(this.#basePort);
  }

  /** A replica refuses writes. */
  followerPorts(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  async startAt(port: number): Promise<void> {
    const at = port - this.#basePort;
    const directory = path.join(this.#directory, `r${at}`);
    mkdirSync(directory, { recursive: true });
    const flags = {
      port: [String(port)],
      bind: ["127.0.0.1"],
      dir: [directory],
      appendonly: ["yes"],
      appendfsync: ["always"],
      save: [""],
      ...(at === 0 ? {} : { replicaof: ["127.0.0.1", String(this.#basePort)] }),
    };
    const server = new ServerProcess({
      program: "redis-server",
      words: Object.entries(flags).flatMap(([name, values]) => [`--${name}`, ...values]),
      logFile: path.join(this.#directory, `r${at}.out`),
    });
    this.#servers.set(port, server);
  }

  async killAt(port: number): Promise<void> {
    await this.#servers.get(port)?.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }
}

/** One command and what is answered at first. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.setTimeout(1000, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("data", (chunk) => {
      socket.destroy();
      const text = chunk.toString();
      if (text.startsWith("-")) reject(new Error(text));
      else resolve(text);
    });
    socket.write(command);
  });
}
