/** etcd of the system's packages: three members with their defaults, which sync every write. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { freeBasePort } from "./ports.js";
import { ServerProcess, until } from "./server-process.js";
import type { System } from "./system.js";

const NODES = 3;
const CLIENT_OFFSET = 1000;

/** Undefined when it is not installed. */
export function etcdVersion(): string | undefined {
  const { status, stdout } = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? "unknown";
}

export async function startEtcd(directory: string, version: string): Promise<System> {
  const system = new Etcd(directory, version, await freeBasePort(NODES));
  system.start();
  return system;
}

interface EtcdStatus {
  readonly header: { readonly member_id: string };
  readonly leader: string;
}

class Etcd implements System {
  readonly name = "etcd";
  readonly version: string;
  readonly remark = `${NODES} nodes; a write is on disk at a majority before its answer`;
  readonly dialect = "etcd";
  readonly waitReplicas = 0;
  readonly #directory: string;
  readonly #basePort: number;
  readonly #members = new Map<number, ServerProcess>();

  constructor(directory: string, version: string, basePort: number) {
    this.#directory = directory;
    this.version = version;
    this.#basePort = basePort;
  }

  get pids(): readonly number[] {
    return [...this.#members.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get logDirectories(): readonly string[] {
    return this.#numbers().map((at) => path.join(this.#directory, `e${at}`, "member", "wal"));
  }

  #numbers(): readonly number[] {
    return Array.from({ length: NODES }, (_, at) => at);
  }

  #clientPort(at: number): number {
    return this.#basePort + CLIENT_OFFSET + at;
  }

  start(): void {
    for (const at of this.#numbers()) this.#startMember(at);
  }

  #startMember(at: number): void {
    const peer = (at: number): string => `http://127.0.0.1:${this.#basePort + at}`;
    const cluster = this.#numbers().map((at) => `e${at}=${peer(at)}`);
    const client = `http://127.0.0.1:${this.#clientPort(at)}`;
    const flags = {
      name: `e${at}`,
      "data-dir": path.join(this.#directory, `e${at}`),
      "listen-peer-urls": peer(at),
      "initial-advertise-peer-urls": peer(at),
      "listen-client-urls": client,
      "advertise-client-urls": client,
      "initial-cluster": cluster.join(","),
      "initial-cluster-state": "new",
    };
    const member = new ServerProcess({
      program: "etcd",
      words: Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
      logFile: path.join(this.#directory, `e${at}.out`),
    });
    this.#members.set(this.#clientPort(at), member);
  }

  leaderPort(): Promise<number> {
    return until("etcd's leader", async () => {
      for (const [port, member] of this.#members) {
        if (member.hasEnded) continue;
        const status = await statusAt(port);
        if (status.leader !== "0" && status.leader === status.header.member_id) return port;
      }
      return undefined;
    });
  }

  async followerPorts(): Promise<readonly number[]> {
    const leader = await this.leaderPort();
    return [...this.#members.keys()].filter((port) => port !== leader);
  }

  async killAt(port: number): Promise<void> {
    await this.#members.get(port)?.kill();
  }

  async startAt(port: number): Promise<void> {
    this.#startMember(port - CLIENT_OFFSET - this.#basePort);
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.stop()));
  }
}

async function statusAt(port: number): Promise<EtcdStatus> {
  const response = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
    method: "POST",
    body: "{}",
    signal: AbortSignal.timeout(1000),
  });
  return (await response.json()) as EtcdStatus;
}
