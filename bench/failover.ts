/**
 * `npm run bench:failover`: how long nobody is served when the leader dies.
 *
 * Real node processes under load; the leader is killed with `kill -9` again and
 * again. For each kill: the time to the first write acknowledged afterwards, and
 * the largest gap between two acknowledged writes around it, as the clients saw.
 *
 *   node dist/bench/failover.js [--nodes 5] [--kills 10] [--clients 8]
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { planDevCluster } from "../src/console/dev-cluster.js";
import { connect, type ClusterStatus, type Database } from "../src/index.js";
import { median } from "./environment.js";
import { freeBasePort, PORT_FIRST } from "./systems.js";

const BALSA = path.resolve(import.meta.dirname, "../../bin/balsa.js");
/** Load before a kill and after it. Milliseconds. */
const CALM_MS = 1500;

type Node = ReturnType<typeof planDevCluster>[number];

async function start(node: Node): Promise<ChildProcess> {
  const child = spawn(process.execPath, [BALSA, ...node.words], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      if (/^ready$/m.test(chunk.toString())) resolve();
    });
    child.once("exit", (code) => {
      reject(new Error(`node ${node.id} ended with ${code ?? "a signal"} before it was ready`));
    });
  });
  return child;
}

async function leaderOf(database: Database): Promise<string> {
  for (;;) {
    const status: ClusterStatus = await database.status();
    if (status.leader !== null && status.nodes.every(({ alive }) => alive)) return status.leader;
    await pause(50);
  }
}

/** Clients that write without a pause; `acknowledgedAt` grows with every acknowledged write. */
function load(databases: readonly Database[], acknowledgedAt: number[]): () => Promise<void> {
  const state: { isOver: boolean; failed: number } = { isOver: false, failed: 0 };
  const clients = databases.map(async (database, client) => {
    for (let i = 0; !state.isOver; i += 1) {
      try {
        await database.put(`client-${client}-${i % 1000}`, "x".repeat(100), { timeoutMs: 10_000 });
        acknowledgedAt.push(performance.now());
      } catch {
        state.failed += 1; // cut off with the leader: its outcome is unknown, and the next one counts
      }
    }
  });
  return async () => {
    state.isOver = true;
    await Promise.all(clients);
  };
}

async function killOnce(
  nodes: readonly Node[],
  children: Map<string, ChildProcess>,
  clientCount: number,
): Promise<{ readonly nextMs: number; readonly gapMs: number }> {
  await using observer = connect({ endpoints: nodes.map(({ client }) => client) });
  const leader = await leaderOf(observer);
  const survivors = nodes.filter(({ id }) => id !== leader);
  const databases = Array.from({ length: clientCount }, (_, i) =>
    connect({ endpoints: [survivors[i % survivors.length]?.client ?? ""] }),
  );
  const acknowledgedAt: number[] = [];
  const stop = load(databases, acknowledgedAt);
  await pause(CALM_MS);
  const child = children.get(leader);
  const killedAt = performance.now();
  child?.kill("SIGKILL");
  await pause(CALM_MS * 2);
  await stop();
  await Promise.all(databases.map((database) => database.close()));
  const node = nodes.find(({ id }) => id === leader);
  if (child?.exitCode === null && child.signalCode === null) {
    await once(child, "exit");
  }
  if (node !== undefined) children.set(leader, await start(node));
  // What was on its way to the clients when the leader died still arrives: a write proposed afterwards counts.
  const around = acknowledgedAt.filter((at) => at > killedAt - CALM_MS);
  const gaps = around.slice(1).map((at, i) => ({ at, gap: at - (around[i] ?? at) }));
  const widest = gaps.reduce((most, next) => (next.gap > most.gap ? next : most), {
    at: Infinity,
    gap: 0,
  });
  return { nextMs: widest.at - killedAt, gapMs: widest.gap };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "5" },
      kills: { type: "string", default: "10" },
      clients: { type: "string", default: "8" },
    },
  });
  const directory = mkdtempSync(path.join(tmpdir(), "balsa-failover-"));
  const basePort = await freeBasePort(PORT_FIRST);
  const nodes = planDevCluster({ nodes: Number(values.nodes), basePort, directory });
  const children = new Map<string, ChildProcess>();
  try {
    await Promise.all(nodes.map(async (node) => children.set(node.id, await start(node))));
    const results: { readonly nextMs: number; readonly gapMs: number }[] = [];
    for (let kill = 1; kill <= Number(values.kills); kill += 1) {
      const result = await killOnce(nodes, children, Number(values.clients));
      results.push(result);
      const { gapMs, nextMs } = result;
      process.stdout.write(
        `kill ${kill}: served again ${nextMs.toFixed(0)} ms after it, gap ${gapMs.toFixed(0)} ms\n`,
      );
    }
    const gaps = results.map(({ gapMs }) => gapMs);
    process.stdout.write(
      `gap between acknowledged writes: median ${median(gaps).toFixed(0)} ms, ` +
        `worst ${Math.max(...gaps).toFixed(0)} ms of ${gaps.length} kills\n`,
    );
  } finally {
    for (const child of children.values()) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
