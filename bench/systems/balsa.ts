/** A Balsa cluster of real node processes, as `balsa node start` starts them. */
import path from "node:path";
import process from "node:process";
import { askStatus } from "../../src/console/ask-status.js";
import { planDevCluster } from "../../src/console/dev-cluster.js";
import type { Dialect } from "../load/job.js";
import { freeBasePort } from "./ports.js";
import { ServerProcess, until } from "./server-process.js";
import type { System } from "./system.js";

const EXECUTABLE = path.resolve(import.meta.dirname, "../../../bin/balsa.js");

export interface BalsaOptions {
  readonly directory: string;
  readonly nodes: number;
  readonly version: string;
  readonly dialect?: Dialect;
  /** for every node */
  readonly words?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

type Plan = ReturnType<typeof planDevCluster>;

/** Resolves when every node serves. */
export async function startBalsa(options: BalsaOptions): Promise<System> {
  const basePort = await freeBasePort(options.nodes);
  const plan = planDevCluster({ nodes: options.nodes, basePort, directory: options.directory });
  const system = new Balsa(plan, options);
  try {
    await system.start();
  } catch (error) {
    await system.stop();
    throw error;
  }
  return system;
}

class Balsa implements System {
  readonly name = "balsa";
  readonly version: string;
  readonly remark: string;
  readonly dialect: Dialect;
  readonly waitReplicas = 0;
  readonly #plan: Plan;
  readonly #options: BalsaOptions;
  readonly #processes = new Map<string, ServerProcess>();

  constructor(plan: Plan, options: BalsaOptions) {
    this.#plan = plan;
    this.#options = options;
    this.version = options.version;
    this.dialect = options.dialect ?? "resp";
    this.remark = `${plan.length} nodes; a write is on disk at a majority before its answer`;
  }

  get pids(): readonly number[] {
    return [...this.#processes.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get logDirectories(): readonly string[] {
    return this.#plan.map(({ directory }) => path.join(directory, "log"));
  }

  async start(): Promise<void> {
    for (const node of this.#plan) this.#startNode(node);
    await Promise.all([...this.#processes.values()].map(({ ready }) => ready));
  }

  #startNode({ id, words }: Plan[number]): void {
    const node = new ServerProcess({
      program: process.execPath,
      words: [EXECUTABLE, ...words, ...(this.#options.words ?? [])],
      logFile: path.join(this.#options.directory, `${id}.out`),
      ...(this.#options.environment === undefined
        ? {}
        : { environment: this.#options.environment }),
    });
    this.#processes.set(id, node);
  }

  leaderPort(): Promise<number> {
    return until("Balsa's leader", async () => {
      const alive = this.#alive();
      const { leader } = await askStatus(alive.map(({ client }) => client));
      const node = alive.find(({ id }) => id === leader);
      return node === undefined ? undefined : portOf(node.client);
    });
  }

  async followerPorts(): Promise<readonly number[]> {
    const leader = await this.leaderPort();
    return this.#alive()
      .map(({ client }) => portOf(client))
      .filter((port) => port !== leader);
  }

  #alive(): Plan {
    return this.#plan.filter(({ id }) => this.#processes.get(id)?.hasEnded === false);
  }

  async killAt(port: number): Promise<void> {
    await this.#processes.get(this.#nodeAt(port).id)?.kill();
  }

  async startAt(port: number): Promise<void> {
    this.#startNode(this.#nodeAt(port));
  }

  #nodeAt(port: number): Plan[number] {
    const node = this.#plan.find(({ client }) => portOf(client) === port);
    if (node === undefined) throw new Error(`no node of Balsa has the client port ${port}`);
    return node;
  }

  async restart(): Promise<void> {
    await this.stop();
    const started = this.start();
    // A node that serves is waited for by whoever asks it.
    started.catch(() => undefined);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((node) => node.stop()));
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
