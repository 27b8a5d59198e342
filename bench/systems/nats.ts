/**
 * NATS JetStream of the system's packages: a replicated bucket on three servers.
 * NOT durable in the sense of the others: it does not sync a message to disk
 * before it answers, and its reads are not linearizable. It stands here because
 * people choose between them.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { NATS_STREAM } from "../load/nats-protocol.js";
import { freeBasePort } from "./ports.js";
import { ServerProcess, until } from "./server-process.js";
import type { System } from "./system.js";

const NODES = 3;
const CLIENT_OFFSET = 1000;
const ANSWER_MS = 3000;

/** Undefined when it is not installed. */
export function natsVersion(): string | undefined {
  const { status, stdout, stderr } = spawnSync("nats-server", ["--version"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  return /v(\d\S*)/.exec(stdout + stderr)?.[1] ?? "unknown";
}

/** Resolves when the bucket takes writes. */
export async function startNats(directory: string, version: string): Promise<System> {
  const system = new Nats(directory, version, await freeBasePort(NODES));
  system.start();
  await system.makeBucket();
  return system;
}

class Nats implements System {
  readonly name = "nats";
  readonly version: string;
  readonly remark = `${NODES} nodes, NOT durable: no sync before an answer; reads not linearizable`;
  readonly dialect = "nats";
  readonly waitReplicas = 0;
  readonly #directory: string;
  readonly #basePort: number;
  readonly #servers = new Map<number, ServerProcess>();

  constructor(directory: string, version: string, basePort: number) {
    this.#directory = directory;
    this.version = version;
    this.#basePort = basePort;
  }

  get pids(): readonly number[] {
    return [...this.#servers.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get logDirectories(): readonly string[] {
    return Array.from({ length: NODES }, (_, at) => path.join(this.#directory, `s${at}`));
  }

  start(): void {
    for (let at = 0; at < NODES; at += 1) this.#startServer(at);
  }

  #startServer(at: number): void {
    const routes = Array.from(
      { length: NODES },
      (_, at) => `nats-route://127.0.0.1:${this.#basePort + at}`,
    );
    const store = path.join(this.#directory, `s${at}`);
    mkdirSync(store, { recursive: true });
    const port = this.#basePort + CLIENT_OFFSET + at;
    const flags = {
      name: `s${at}`,
      addr: "127.0.0.1",
      port: String(port),
      store_dir: store,
      cluster_name: "bench",
      cluster: `nats://127.0.0.1:${this.#basePort + at}`,
      routes: routes.join(","),
    };
    const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const server = new ServerProcess({
      program: "nats-server",
      words: ["--jetstream", ...words],
      logFile: path.join(this.#directory, `s${at}.out`),
    });
    this.#servers.set(port, server);
  }

  async makeBucket(): Promise<void> {
    const stream = {
      name: NATS_STREAM,
      subjects: [`$KV.bench.>`],
      max_msgs_per_subject: 1,
      num_replicas: NODES,
      storage: "file",
      retention: "limits",
      discard: "new",
      allow_rollup_hdrs: true,
      allow_direct: true,
    };
    await until("the bucket of NATS", async () => {
      const answer = await this.#ask(
        `$JS.API.STREAM.CREATE.${NATS_STREAM}`,
        JSON.stringify(stream),
      );
      return answer.includes('"error"') ? undefined : true;
    });
  }

  leaderPort(): Promise<number> {
    return until("the leader of NATS' stream", async () => {
      const answer = await this.#ask(`$JS.API.STREAM.INFO.${NATS_STREAM}`, "");
      const name = /"leader":"s(\d)"/.exec(answer)?.[1];
      return name === undefined ? undefined : this.#basePort + CLIENT_OFFSET + Number(name);
    });
  }

  async followerPorts(): Promise<readonly number[]> {
    const leader = await this.leaderPort();
    return [...this.#servers.keys()].filter((port) => port !== leader);
  }

  async startAt(port: number): Promise<void> {
    this.#startServer(port - CLIENT_OFFSET - this.#basePort);
  }

  async killAt(port: number): Promise<void> {
    await this.#servers.get(port)?.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }

  /** One request to JetStream's interface. */
  #ask(subject: string, payload: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: this.#basePort + CLIENT_OFFSET });
      let printed = "";
      socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error("NATS does not answer")));
      socket.once("error", reject);
      socket.on("data", (chunk: Buffer) => {
        printed += chunk.toString();
        if (/^-ERR/m.test(printed)) socket.destroy(new Error(printed));
        if (!/\nMSG [^\n]*\n[^\n]*\n/.test(printed)) return;
        socket.destroy();
        resolve(printed);
      });
      socket.write(
        `CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB ${subject} answer ${payload.length}\r\n${payload}\r\n`,
      );
    });
  }
}
