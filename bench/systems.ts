/** The two systems under load: three real processes each, on loopback, on one file system. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { askStatus } from "../src/console/ask-status.js";
import { DevCluster, planDevCluster } from "../src/console/dev-cluster.js";

export interface System {
  readonly name: "balsa" | "etcd";
  readonly version: string;
  /** the leader's client port on 127.0.0.1 */
  leaderPort(): Promise<number>;
  stop(): Promise<void>;
}

const NODES = 3;
const LEADER_POLL_MS = 50;
const LEADER_MS_MAX = 20_000;

/** Asks until there is an answer. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + LEADER_MS_MAX;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    if (performance.now() > deadlineMs) throw new Error(`${what}: no answer in time`);
    await sleep(LEADER_POLL_MS);
  }
}

/** Whether all of these ports can be listened on now. */
async function areFree(ports: readonly number[]): Promise<boolean> {
  const tries = ports.map(
    (port) =>
      new Promise<boolean>((resolve) => {
        const server = createServer();
        server.once("error", () => {
          resolve(false);
        });
        server.listen(port, "127.0.0.1", () => {
          server.close(() => {
            resolve(true);
          });
        });
      }),
  );
  return (await Promise.all(tries)).every(Boolean);
}

export const PORT_FIRST = 20_000;
const PORT_STEP = 16;

/** A base port with NODES free ports at it and NODES at 1000 above it. */
export async function freeBasePort(from: number): Promise<number> {
  for (let base = from; base < from + 900; base += PORT_STEP) {
    const ports = Array.from({ length: NODES }, (_, at) => [base + at, base + 1000 + at]).flat();
    if (await areFree(ports)) return base;
  }
  throw new Error("no free ports");
}

export async function startBalsa(directory: string, version: string): Promise<System> {
  const root = path.resolve(import.meta.dirname, "../..");
  const basePort = await freeBasePort(PORT_FIRST);
  const nodes = planDevCluster({ nodes: NODES, basePort, directory });
  const cluster = new DevCluster(nodes, {
    onLine: () => undefined,
    onExit: ({ node, code, signal }) => {
      process.stderr.write(`Balsa node ${node.id} ended (${signal ?? code ?? "?"})\n`);
    },
  });
  const failed = await cluster.start([process.execPath, path.join(root, "bin/balsa.js")]);
  if (failed !== undefined) {
    await cluster.stop();
    throw new Error(`Balsa node ${failed.node.id} did not start: ${failed.lastLine}`);
  }
  return {
    name: "balsa",
    version,
    leaderPort: () =>
      until("Balsa's leader", async () => {
        const { leader } = await askStatus(nodes.map(({ client }) => client));
        const client = nodes.find(({ id }) => id === leader)?.client;
        return client === undefined ? undefined : Number(client.split(":")[1]);
      }),
    stop: () => cluster.stop(),
  };
}

/** etcd's version, or undefined when it is not installed. */
export function etcdVersion(): string | undefined {
  const { status, stdout } = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? "unknown";
}

/** Starts etcd's three members on `directory`; they go on from what is there. */
export function startEtcd(directory: string, version: string, basePort: number): System {
  mkdirSync(directory, { recursive: true });
  const ids = Array.from({ length: NODES }, (_, at) => at);
  const peers = ids.map((at) => `e${at}=http://127.0.0.1:${basePort + at}`).join(",");
  const children = ids.map((at) => startEtcdMember(directory, at, basePort, peers));
  return {
    name: "etcd",
    version,
    leaderPort: () =>
      until("etcd's leader", async () => {
        for (const at of ids) {
          const port = basePort + 1000 + at;
          const response = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
            method: "POST",
            body: "{}",
          });
          const status = (await response.json()) as EtcdStatus;
          if (status.leader !== "0" && status.leader === status.header.member_id) return port;
        }
        return undefined;
      }),
    stop: async () => {
      const ended = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
      for (const child of children) child.kill("SIGTERM");
      await Promise.all(ended);
    },
  };
}

interface EtcdStatus {
  readonly header: { readonly member_id: string };
  readonly leader: string;
}

function startEtcdMember(
  directory: string,
  at: number,
  basePort: number,
  peers: string,
): ChildProcess {
  const peer = `http://127.0.0.1:${basePort + at}`;
  const client = `http://127.0.0.1:${basePort + 1000 + at}`;
  const log = openSync(path.join(directory, `e${at}.log`), "a");
  const flags = {
    name: `e${at}`,
    "data-dir": path.join(directory, `e${at}`),
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "initial-cluster": peers,
    "initial-cluster-state": "new",
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  return spawn("etcd", words, { stdio: ["ignore", log, log] });
}
