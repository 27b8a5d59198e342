/**
 * `npm run bench:storage`: what the storage floor costs on this machine.
 *
 *   append    blocks of 1, 20, 100 and 1000 puts: written and flushed, against the bare
 *             write and fdatasync of the same bytes (storage-append.ts)
 *   recovery  a log of entries of one put, and one of entries of a hundred, read back
 *   ready     a million keys with values of 100 bytes: a process from its start to its
 *             first linearizable read, from a snapshot and from the log alone
 *   snapshot  of those keys: how long it takes, and the longest holds of the event loop,
 *             with nothing else to do and under writes (snapshot-hold.ts)
 *   shapes    states of every shape: what each step of a snapshot holds the event loop for
 *             (snapshot-shapes.ts)
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { sealCommands } from "../src/codec/block.js";
import { open } from "../src/index.js";
import { LogIndex, Term, type Entry } from "../src/raft/types.js";
import { NodeFileSystem } from "../src/storage/node-file-system.js";
import { SegmentedLog } from "../src/storage/segmented-log.js";
import { endWith, UsageError, valuesOrUsage } from "./command-words.js";
import { describeEnvironment, median } from "./environment.js";
import { measureHold } from "./snapshot-hold.js";
import { benchShapes } from "./snapshot-shapes.js";
import { benchAppend } from "./storage-append.js";

const CLUSTER_ID = "00112233445566778899aabbccddeeff";
const VALUE_SIZE = 100;
const NO_ID = new Uint8Array(0);
const MIB = 1024 * 1024;
/** Writes of a batch of the database that is filled. */
const FILL_BATCH = 1000;

/** An entry of `count` puts behind `previous`, with keys numbered from `first`. */
function entryOf(previous: Entry | undefined, first: number, count: number): Entry {
  const writes = Array.from({ length: count }, (_, i) => ({
    id: NO_ID,
    commands: [
      {
        kind: "put" as const,
        key: Buffer.from(keyOf(first + i)),
        value: new Uint8Array(VALUE_SIZE).fill(1 + ((first + i) % 255)),
        condition: "none" as const,
      },
    ],
  }));
  const position = {
    index: LogIndex((previous?.index ?? 0) + 1),
    term: Term(1),
    previousChecksum: previous?.checksum ?? 0,
  };
  return sealCommands(
    position,
    1_790_000_000_000,
    writes.map((request) => ({ request })),
  );
}

function keyOf(number: number): string {
  return `key-${String(number).padStart(8, "0")}`;
}

function openLog(directory: string): ReturnType<typeof SegmentedLog.open> {
  return SegmentedLog.open({ fileSystem: new NodeFileSystem(), directory, clusterId: CLUSTER_ID });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

// ---- recovery ---------------------------------------------------------------

function benchRecovery(root: string): void {
  print("recovery of a log: every byte read and checked");
  for (const [entryCount, batchSize] of [
    [500_000, 1],
    [20_000, 100],
  ] as const) {
    const directory = path.join(root, `recovery-${batchSize}`);
    const { log } = openLog(directory);
    let previous: Entry | undefined;
    for (let i = 0; i < entryCount; i += 1) {
      previous = entryOf(previous, i * batchSize, batchSize);
      log.append([previous]);
    }
    log.close();
    const times: number[] = [];
    let byteCount = 0;
    for (let round = 0; round < 3; round += 1) {
      const startedAt = performance.now();
      const opened = openLog(directory);
      times.push((performance.now() - startedAt) / 1000);
      byteCount = opened.report.byteCount;
      opened.log.close();
    }
    const seconds = median(times);
    print(
      `  ${entryCount} entries of ${batchSize}: ${seconds.toFixed(2)} s, ` +
        `${Math.round(entryCount / seconds)} entries/s, ` +
        `${Math.round((entryCount * batchSize) / seconds)} puts/s, ` +
        `${Math.round(byteCount / MIB / seconds)} MiB/s; ${(byteCount / entryCount / batchSize).toFixed(1)} bytes a put`,
    );
    rmSync(directory, { recursive: true });
  }
}

// ---- ready ------------------------------------------------------------------

/** Fills a database, and waits for its snapshot. */
async function fill(directory: string, keyCount: number): Promise<void> {
  const lines: string[] = [];
  await using database = await open({ directory, log: (line) => lines.push(line) });
  const value = "v".repeat(VALUE_SIZE);
  for (let first = 0; first < keyCount; first += FILL_BATCH) {
    const keys = Array.from({ length: FILL_BATCH }, (_, i) => keyOf(first + i));
    const puts = keys.map((key) => ({ kind: "put" as const, key, value }));
    await database.batch(puts, { timeoutMs: 120_000 });
  }
  const startedAt = performance.now();
  const isTaken = (): boolean => lines.some((line) => line.includes("taken,"));
  while (!isTaken() && performance.now() - startedAt < 60_000) await sleep(50);
}

// ---- snapshot ---------------------------------------------------------------

function benchSnapshot(root: string, keyCount: number): void {
  print("longest turns of the event loop while a snapshot is taken");
  for (const load of ["idle", "writes"]) {
    const directory = path.join(root, `hold-${load}`);
    const words = ["--expose-gc", import.meta.filename, "--hold", load, "--directory", directory];
    spawnSync(process.execPath, [...words, "--keys", String(keyCount)], { stdio: "inherit" });
    rmSync(directory, { recursive: true });
  }
}

async function hold(directory: string, keyCount: number, load: string): Promise<void> {
  const value = "v".repeat(VALUE_SIZE);
  const underLoad = load === "writes";
  const lines = await measureHold({ directory, keyCount, underLoad, key: keyOf, value });
  for (const line of lines) print(`  ${line}`);
}

/** In a process of its own: open, read one key, tell. */
async function ready(directory: string, keyCount: number): Promise<void> {
  const startedAt = performance.now();
  const heapBefore = process.memoryUsage().rss;
  const database = await open({ directory });
  const openedMs = performance.now() - startedAt;
  const record = await database.get(keyOf(keyCount - 1), { timeoutMs: 120_000 });
  const readyMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage();
  const perKey = (process.memoryUsage().rss - heapBefore) / keyCount;
  print(
    `  opened in ${(openedMs / 1000).toFixed(2)} s, ready in ${(readyMs / 1000).toFixed(2)} s` +
      `${record === undefined ? " BUT THE LAST KEY IS MISSING" : ""}, ${perKey.toFixed(0)} bytes of memory a key, ` +
      `${((user + system) / 1e6).toFixed(2)} s of processors`,
  );
  await database.close();
}

function readyInProcess(directory: string, keyCount: number): void {
  const words = [import.meta.filename, "--ready", directory, "--keys", String(keyCount)];
  for (let round = 0; round < 3; round += 1)
    spawnSync(process.execPath, words, { stdio: "inherit" });
}

function sizeOf(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.reduce((sum, name) => sum + statSync(path.join(directory, name)).size, 0);
}

async function benchReady(root: string, keyCount: number): Promise<void> {
  const directory = path.join(root, "ready");
  await fill(directory, keyCount);
  print(
    `${keyCount} keys of ${VALUE_SIZE} bytes, ready from ${Math.round(sizeOf(directory) / MIB)} MiB:`,
  );
  readyInProcess(directory, keyCount);
  rmSync(path.join(directory, "snapshots"), { recursive: true });
  const logDirectory = path.join(directory, "log");
  const isWhole = readdirSync(logDirectory).some((name) => name.startsWith(`${"0".repeat(19)}1-`));
  if (!isWhole) return;
  print(`the same from the log alone, ${Math.round(sizeOf(directory) / MIB)} MiB:`);
  readyInProcess(directory, keyCount);
}

const PARTS = ["append", "recovery", "ready", "snapshot", "shapes"];
const USAGE = `npm run bench:storage -- [flags]: what the storage floor costs on this machine

  --only a,b           some parts of it: ${PARTS.join(", ")}
  --keys 1000000       of the database that is made ready, and of its snapshot
  --appends 300        blocks written and flushed, of each size
  --directory DIR      on the disk to be measured [default: ${tmpdir()}]

  npm run bench:storage -- --only append --directory data`;

const values = valuesOrUsage(
  USAGE,
  {
    keys: { type: "string", default: "1000000" },
    appends: { type: "string", default: "300" },
    directory: { type: "string", default: tmpdir() },
    only: { type: "string", default: PARTS.join(",") },
    // what this program starts itself for
    ready: { type: "string" },
    hold: { type: "string" },
    shapes: { type: "string" },
  },
  ["keys", "appends"],
);
const keyCount = Number(values.keys);
if (values.ready !== undefined) {
  await ready(values.ready, keyCount);
} else if (values.hold !== undefined) {
  await hold(values.directory, keyCount, values.hold);
} else if (values.shapes !== undefined) {
  await benchShapes(values.shapes, print);
} else {
  const parts = new Set(values.only.split(","));
  for (const part of parts) {
    if (PARTS.includes(part)) continue;
    endWith(new UsageError(`--only ${part} is none of ${PARTS.join(", ")}`), USAGE);
  }
  const root = mkdtempSync(path.join(values.directory, "balsa-storage-"));
  try {
    print(JSON.stringify(describeEnvironment(root)));
    if (parts.has("append")) {
      const appendCount = Number(values.appends);
      benchAppend({ root, clusterId: CLUSTER_ID, appendCount, entryOf, print });
    }
    if (parts.has("recovery")) benchRecovery(root);
    if (parts.has("ready")) await benchReady(root, keyCount);
    if (parts.has("snapshot")) benchSnapshot(root, keyCount);
    if (parts.has("shapes")) {
      const words = ["--expose-gc", import.meta.filename, "--shapes", root];
      spawnSync(process.execPath, words, { stdio: "inherit" });
    }
  } finally {
    rmSync(root, { recursive: true });
  }
}
