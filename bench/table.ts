/**
 * The table alone: what one change, one read and one key cost, in processor time and in
 * memory, without log, network and disk.
 *
 *   insert     new keys, in order and at random         overwrite  keys that are there, at random
 *   get        the value's bytes, at random             range      100 keys from a random one
 *   view       all rows of a snapshot                   restore    from these rows
 */
import process from "node:process";
import { Store } from "../src/store/store.js";
import { valuesOrUsage } from "./command-words.js";

const VALUE_SIZE = 100;
const ID_SIZE = 16;
const CHANGE_COUNT_MAX = 100_000;
/** How often the leader asks for upkeep, in changes. */
const UPKEEP_EVERY = 1000;

const USAGE = `node --expose-gc dist/bench/table.js [flags]: the table alone

  --keys 1000000       keys of 14 bytes with values of 100
  --random             in no order`;

const options = valuesOrUsage(
  USAGE,
  {
    keys: { type: "string", default: "1000000" },
    random: { type: "boolean", default: false },
  },
  ["keys"],
);
const keyCount = Number(options.keys);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** One put as a block has it: id, key, value. */
const row = new Uint8Array(ID_SIZE + 32 + VALUE_SIZE).fill(7);
const KEY_START = ID_SIZE;
const KEY_SIZE = 14;
const VALUE_START = KEY_START + KEY_SIZE;
let idCount = 0;

/** Of a permutation of all numbers below 2^32 when keys come at random. */
function writeKey(number: number): void {
  let rest = options.random ? Math.imul(number, 0x9e3779b1) >>> 0 : number;
  row.set(PREFIX, KEY_START);
  for (let i = KEY_SIZE - 1; i >= PREFIX.length; i -= 1) {
    row[KEY_START + i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
const PREFIX = Buffer.from("key:");

function put(store: Store, number: number, time: number): void {
  writeKey(number);
  idCount += 1;
  for (let i = 0; i < 4; i += 1) row[i] = (idCount >>> (8 * i)) & 0xff;
  store.applyPut(row, KEY_START, KEY_SIZE, VALUE_START, VALUE_SIZE, 0, ID_SIZE, time);
  row[VALUE_START] = number & 0xff;
  if (number % UPKEEP_EVERY !== 0) return;
  for (let due = store.dueRequest(time); due !== undefined; due = store.dueRequest(time)) {
    store.apply(due, time);
  }
}

/** Runs `count` steps. Prints processor time: nanoseconds a step, and the most that 1000 steps took. */
function measure(title: string, count: number, step: (number: number) => void): void {
  const startedMs = processorMs();
  let longestMs = 0;
  for (let at = 0; at < count;) {
    const beganMs = processorMs();
    for (const end = Math.min(at + 1000, count); at < end; at += 1) step(at);
    longestMs = Math.max(longestMs, processorMs() - beganMs);
  }
  const nanoseconds = ((processorMs() - startedMs) * 1e6) / count;
  print(
    `${title.padEnd(12)} ${nanoseconds.toFixed(0).padStart(7)} ns` +
      `   most of 1000 together ${longestMs.toFixed(2)} ms`,
  );
}

function memoryOf(): { readonly residentSize: number; readonly heapSize: number } {
  for (let i = 0; i < 3; i += 1) globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { residentSize: rss, heapSize: heapUsed };
}

function random(number: number): number {
  return (Math.imul(number, 0x85ebca6b) >>> 0) % keyCount;
}

const warm = new Store();
for (let i = 0; i < 200_000; i += 1) put(warm, i % 50_000, 1);
const before = memoryOf();
const store = new Store(
  { keySizeMax: 8192, valueSizeMax: 1_048_576, requestSizeMax: 4_194_304 },
  {
    changeCountMax: CHANGE_COUNT_MAX,
    sizeMax: 64 * 1024 * 1024,
    ageMax: Infinity,
  },
);
const target = new Uint8Array(VALUE_SIZE);
let time = 1_790_000_000_000;

print(
  `${keyCount} keys of ${KEY_SIZE} bytes${options.random ? ", at random" : ""}, values of ${VALUE_SIZE}`,
);
measure("insert", keyCount, (number) => {
  if (number % 100 === 0) time += 1;
  put(store, number, time);
});
const full = memoryOf();
const perKey = (full.residentSize - before.residentSize) / keyCount;
print(
  `memory       ${perKey.toFixed(0).padStart(7)} bytes a key resident, ` +
    `${((full.heapSize - before.heapSize) / keyCount).toFixed(1)} of them on the heap`,
);
measure("overwrite", keyCount, (number) => {
  if (number % 100 === 0) time += 1;
  put(store, random(number), time);
});
const rewritten = memoryOf();
print(
  `memory       ${((rewritten.residentSize - before.residentSize) / keyCount).toFixed(0).padStart(7)}` +
    ` bytes a key resident, all of them overwritten`,
);
measure("get", keyCount, (number) => {
  writeKey(random(number));
  const place = store.find(row, KEY_START, KEY_SIZE);
  store.copyValueAt(place, target, 0);
});
const NO_BYTES = new Uint8Array(0);
measure("range 100", keyCount / 100, (number) => {
  writeKey(random(number));
  store.range(row.subarray(KEY_START, KEY_START + KEY_SIZE), NO_BYTES, 100, Infinity);
});

const other = new Store();
const restore = other.beginRestore();
const view = store.openView();
let rowCount = 0;
let viewMs = 0;
let restoreMs = 0;
let longestMs = 0;
for (;;) {
  const startedMs = processorMs();
  const rows = view.next(64 * 1024);
  const readMs = processorMs();
  longestMs = Math.max(longestMs, readMs - startedMs);
  for (const each of rows) restore.add(each);
  viewMs += readMs - startedMs;
  restoreMs += processorMs() - readMs;
  rowCount += rows.length;
  if (rows.length === 0) break;
}
view.close();
restore.finish();
print(
  `view         ${((viewMs * 1e6) / rowCount).toFixed(0).padStart(7)} ns a row   longest slice of 64 KiB ${longestMs.toFixed(2)} ms`,
);
print(`restore      ${((restoreMs * 1e6) / rowCount).toFixed(0).padStart(7)} ns a row`);
print(`collection   ${collectionMs().toFixed(1).padStart(7)} ms for all of the heap`);

function collectionMs(): number {
  const beganMs = performance.now();
  globalThis.gc?.();
  return performance.now() - beganMs;
}
