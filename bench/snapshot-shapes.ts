/**
 * What each step of a snapshot holds the event loop for, for states of every shape: of a store
 * and a directory alone, without a node around them.
 *
 *   open      the view of the state
 *   piece     rows between two looks at the clock, into the file: a slice is half a millisecond,
 *             and one of these at most
 *   change    a request of the thing that is largest, while the view is open
 *   close     the view, and what is begun then
 *   end       the file's end
 *   load      rows of the file into another state, between two looks at the clock
 *   install   that state takes its place
 *
 * Milliseconds of the main thread on a processor (thread-time.ts): the longest of a round, and
 * of three rounds the least, because what the machine does comes to each step now and then, and
 * what is the step's own comes to it each time.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import type { SnapshotHead } from "../src/codec/snapshot.js";
import { LogIndex, NodeId, Term } from "../src/raft/types.js";
import { NodeFileSystem } from "../src/storage/node-file-system.js";
import { SnapshotDirectory, type SnapshotWriter } from "../src/storage/snapshot-directory.js";
import type { Command, Request, StagedCommand } from "../src/store/command.js";
import type { StateRow } from "../src/store/state-row.js";
import { Store } from "../src/store/store.js";
import { threadTimes } from "./thread-time.js";

/** As src/node/snapshots.ts has it. */
const ROWS_SIZE = 16 * 1024;
const ROWS_COUNT = 32;
const ROUND_COUNT = 3;
const NO_ID = new Uint8Array(0);
const MIB = 1024 * 1024;
const LONG_TTL = 86_400_000;
const STEPS = ["open", "piece", "change", "close", "end", "load", "install"] as const;
type Step = (typeof STEPS)[number];

interface Shape {
  readonly name: string;
  readonly fill: (store: Store) => void;
  /** of what is largest */
  readonly change?: Request;
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, number);
  return id;
}

function requestOf(...commands: Command[]): Request {
  return { id: NO_ID, commands };
}

function put(name: string, value: Uint8Array, ttl?: number): Request {
  const command = { kind: "put" as const, key: bytesOf(name), value, condition: "none" as const };
  return requestOf(ttl === undefined ? command : { ...command, expiry: { kind: "ttl", ttl } });
}

function times(count: number, make: (i: number) => Request): (store: Store) => void {
  return (store) => {
    for (let i = 0; i < count; i += 1) store.apply(make(i), 1_790_000_000_000 + i);
  };
}

function all(...fills: readonly ((store: Store) => void)[]): (store: Store) => void {
  return (store) => {
    for (const fill of fills) fill(store);
  };
}

function compacted(store: Store): void {
  store.apply(requestOf({ kind: "compact", revision: store.revision }));
}

function keyOf(number: number): string {
  return `key-${String(number).padStart(8, "0")}`;
}

function inSession(session: number, sequence: number, request: Request): Request {
  return { ...request, session: { session: idOf(session), sequence, acknowledged: 0 } };
}

function opened(session: number): Request {
  return requestOf({ kind: "openSession", session: idOf(session), ttl: LONG_TTL });
}

function begun(transaction: number): Request {
  const isolation = "serializable" as const;
  return requestOf({ kind: "begin", transaction: idOf(transaction), isolation, idle: LONG_TTL });
}

function staged(transaction: number, count: number, valueSize: number): Request {
  const value = new Uint8Array(valueSize).fill(1);
  const commands = Array.from({ length: count }, (_, i): StagedCommand => ({
    kind: "put",
    key: bytesOf(keyOf(i)),
    value,
    condition: "none",
  }));
  return requestOf({ kind: "stage", transaction: idOf(transaction), commands, reads: [] });
}

const SMALL = new Uint8Array(100).fill(118);

const SHAPES: readonly Shape[] = [
  {
    name: "100 000 keys",
    fill: all(
      times(100_000, (i) => put(keyOf(i), SMALL)),
      compacted,
    ),
  },
  { name: "100 000 changes of as many keys", fill: times(100_000, (i) => put(keyOf(i), SMALL)) },
  {
    name: "100 000 changes of one key",
    fill: all(
      times(1, () => put("hot", SMALL)),
      compacted,
      times(100_000, () => put("hot", SMALL)),
    ),
  },
  {
    name: "100 000 keys that came after the compaction",
    fill: all(
      times(1, () => put("zz", SMALL)),
      compacted,
      times(100_000, (i) => put(keyOf(i), SMALL)),
    ),
  },
  { name: "100 values of 1 MiB", fill: times(100, (i) => put(keyOf(i), randomBytes(MIB))) },
  {
    name: "100 000 leases",
    fill: times(100_000, (i) => requestOf({ kind: "grantLease", lease: 1 + i, ttl: LONG_TTL })),
    change: requestOf({ kind: "keepLease", lease: 5 }),
  },
  {
    name: "200 000 keys with a time to live",
    fill: times(200_000, (i) => put(keyOf(i), SMALL, LONG_TTL)),
  },
  {
    name: "100 000 sessions",
    fill: times(100_000, opened),
    change: requestOf({ kind: "keepSession", session: idOf(5) }),
  },
  {
    name: "100 sessions with 1000 answers",
    fill: all(
      times(100, opened),
      times(100_000, (i) => inSession(i % 100, 1 + Math.floor(i / 100), put(keyOf(i), SMALL))),
    ),
    change: requestOf({ kind: "keepSession", session: idOf(5) }),
  },
  {
    name: "1000 transactions with 1000 writes",
    fill: all(
      times(1000, begun),
      times(1000, (i) => staged(i, 1000, 16)),
    ),
    change: staged(5, 1, 16),
  },
  {
    name: "10 000 transactions with 100 writes",
    fill: all(
      times(10_000, begun),
      times(10_000, (i) => staged(i, 100, 16)),
    ),
    change: staged(5, 1, 16),
  },
  {
    name: "one transaction with 10 MB",
    fill: all(
      times(1, begun),
      times(1, () => staged(0, 9000, 1000)),
    ),
    change: staged(0, 1, 16),
  },
  {
    name: "100 000 transactions that have ended",
    fill: times(200_000, (i) =>
      i % 2 === 0 ? begun(i / 2) : requestOf({ kind: "commit", transaction: idOf((i - 1) / 2) }),
    ),
  },
  {
    name: "200 000 outcomes, of which 65 536 are kept",
    fill: times(200_000, (i) => ({ ...put("one", SMALL), id: idOf(i) })),
  },
];

type Longest = Record<Step, number>;

/** Times steps by the main thread's time on a processor. */
class StepClock {
  readonly #times = threadTimes();
  readonly longest: Longest = {
    open: 0,
    piece: 0,
    change: 0,
    close: 0,
    end: 0,
    load: 0,
    install: 0,
  };

  time<T>(step: Step, work: () => T): T {
    const before = this.#times().runMs;
    const result = work();
    this.longest[step] = Math.max(this.longest[step], this.#times().runMs - before);
    return result;
  }
}

function headOf(store: Store, index: number): SnapshotHead {
  return {
    ...{ clusterId: "00112233445566778899aabbccddeeff", index: LogIndex(index), term: Term(1) },
    ...{ checksum: 1, revision: store.revision, time: store.logTime },
    configuration: { voters: [NodeId("n1")], learners: [] },
    configurationIndex: LogIndex(1),
  };
}

/** What the disk owes is waited for as a node does, not counted. */
function ready(writer: SnapshotWriter): Promise<void> {
  return new Promise((resolve, reject) => {
    writer.whenReady((error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

function finished(writer: SnapshotWriter, clock: StepClock): Promise<void> {
  return new Promise((resolve, reject) => {
    clock.time("end", () => {
      writer.finish((error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  });
}

async function write(
  store: Store,
  shape: Shape,
  directory: SnapshotDirectory,
  clock: StepClock,
): Promise<void> {
  const view = clock.time("open", () => store.openView());
  const { change } = shape;
  if (change !== undefined) clock.time("change", () => store.apply(change));
  const writer = directory.begin(headOf(store, 1 + directory.names.length));
  const add = (row: StateRow): void => {
    writer.add(row);
  };
  for (let isMore = true; isMore;) {
    isMore = clock.time("piece", () => view.read(ROWS_SIZE, add));
    if (!writer.isReady) await ready(writer);
    else await turn();
  }
  clock.time("close", () => {
    view.close();
  });
  await finished(writer, clock);
}

async function load(directory: SnapshotDirectory, clock: StepClock): Promise<void> {
  const name = directory.names.at(-1);
  if (name === undefined) throw new Error("a snapshot that was written is there");
  const reader = clock.time("load", () => directory.open(name));
  const restore = new Store().beginRestore();
  clock.time("load", () => {
    restore.expect(reader.expectedRowCount());
  });
  const take = (row: StateRow): void => {
    restore.add(row);
  };
  while (clock.time("load", () => reader.next(take, ROWS_COUNT))) await turn();
  clock.time("install", () => {
    restore.finish();
  });
}

/** @param root a directory to write to @param print takes lines for a person */
export async function benchShapes(root: string, print: (line: string) => void): Promise<void> {
  const { gc } = globalThis as { readonly gc?: () => void };
  print("the longest hold of each step of a snapshot, ms of the main thread on a processor");
  print(`  ${"".padEnd(46)}${STEPS.map((step) => step.padStart(9)).join("")}`);
  for (const shape of SHAPES) {
    const store = new Store();
    shape.fill(store);
    const rounds: Longest[] = [];
    for (let round = 0; round < ROUND_COUNT; round += 1) {
      gc?.();
      const place = path.join(root, "shapes");
      const directory = new SnapshotDirectory(new NodeFileSystem(), place);
      const clock = new StepClock();
      await write(store, shape, directory, clock);
      gc?.();
      await load(directory, clock);
      directory.close();
      rmSync(place, { recursive: true });
      rounds.push(clock.longest);
    }
    const least = STEPS.map((step) => Math.min(...rounds.map((longest) => longest[step])));
    print(`  ${shape.name.padEnd(46)}${least.map((ms) => ms.toFixed(2).padStart(9)).join("")}`);
  }
  print(`  resident at the end: ${Math.round(process.memoryUsage().rss / MIB)} MiB`);
}
