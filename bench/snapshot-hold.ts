/**
 * How long a snapshot holds the event loop, in a process of its own: longest turns
 * while one of `keyCount` keys is taken, with nothing else to do, two seconds after
 * the fill and with its garbage collected; or under writes.
 *
 * What the machine gave to other processes meanwhile is taken off each turn (Linux
 * tells how long a thread waited for a processor); what a turn waited for the disk is
 * not. Collections are named: whether they are the snapshot's own or not, they hold.
 *
 *   turns    of the loop, whatever was in them; and the same of the writes before the
 *            snapshot is begun
 *   slices   the snapshot's own steps: as the loop has them, other processes' time taken
 *            off, and of the processors (of all threads, so at most so much)
 */
import { openSync, readdirSync, readSync } from "node:fs";
import { PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import process from "node:process";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { open, type Database } from "../src/index.js";
import { Slices } from "../src/node/slices.js";
import { median } from "./environment.js";

export interface HoldOptions {
  readonly directory: string;
  readonly keyCount: number;
  readonly underLoad: boolean;
  readonly key: (number: number) => string;
  readonly value: string;
}

const FILL_BATCH = 1000;
/** Commands behind the fill with which a snapshot is due. */
const DUE_COMMANDS = 5000;
const LOAD_BATCH = 20;
/** Between two keys of a batch: they lie anywhere in the map. */
const STRIDE = 7919;
/** Milliseconds; shorter turns are not looked at. */
const TURN_MS_MIN = 0.2;

interface Hold {
  readonly at: number;
  readonly ms: number;
  /** of the processors, all threads together */
  readonly cpuMs: number;
}

/** What `work` takes. */
function holdOf(waited: () => number, work: () => void): Hold {
  const [at, waitedBefore, cpuBefore] = [performance.now(), waited(), process.cpuUsage()];
  work();
  const { user, system } = process.cpuUsage(cpuBefore);
  const ms = performance.now() - at - (waited() - waitedBefore);
  return { at, ms, cpuMs: (user + system) / 1000 };
}

/** Every slice of long work in this process from now on. */
function timeSlices(): readonly Hold[] {
  const slices: Hold[] = [];
  const waited = waitingTime();
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const schedule = Slices.prototype.schedule;
  Slices.prototype.schedule = function (this: Slices, slice): void {
    schedule.call(this, (until) => {
      slices.push(
        holdOf(waited, () => {
          slice(until);
        }),
      );
    });
  };
  return slices;
}

/** Milliseconds that this thread waited for a processor so far; 0 where nobody tells. */
function waitingTime(): () => number {
  try {
    const descriptor = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    const bytes = Buffer.alloc(128);
    return () => {
      const size = readSync(descriptor, bytes, 0, bytes.length, 0);
      return Number(bytes.toString("latin1", 0, size).split(" ")[1]) / 1e6;
    };
  } catch {
    return () => 0;
  }
}

/** Notes the turns of the event loop until it is stopped. */
class Watch {
  readonly #waited = waitingTime();
  readonly #collections: PerformanceEntry[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    this.#collections.push(...list.getEntries());
  });
  #holds: Hold[] = [];
  #stopped = false;
  readonly #done: Promise<void>;

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] });
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped()) {
      const [at, waited, cpu] = [performance.now(), this.#waited(), process.cpuUsage()];
      await turn();
      const { user, system } = process.cpuUsage(cpu);
      const ms = performance.now() - at - (this.#waited() - waited);
      if (ms >= TURN_MS_MIN) this.#holds.push({ at, ms, cpuMs: (user + system) / 1000 });
    }
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  /** Holds since the last call, the longest first. */
  take(): readonly Hold[] {
    const holds = this.#holds.toSorted((a, b) => b.ms - a.ms);
    this.#holds = [];
    return holds;
  }

  /** Milliseconds of a turn that were collections. */
  collectionIn({ at, ms }: Hold): number {
    const within = this.#collections.filter(
      (one) => one.startTime < at + ms && one.startTime + one.duration > at,
    );
    return within.reduce((total, { duration }) => total + duration, 0);
  }

  /** The longest of `holds`, the longest first, for a person. */
  longest(holds: readonly Hold[]): string {
    const texts = holds.slice(0, 3).map((hold) => {
      const garbage = Math.min(hold.ms, this.collectionIn(hold));
      const parts = [
        `${hold.cpuMs.toFixed(1)} of processors`,
        ...(garbage === 0 ? [] : [`${garbage.toFixed(1)} garbage`]),
      ];
      return `${hold.ms.toFixed(1)} ms (${parts.join(", ")})`;
    });
    return texts.join(", ");
  }

  /** The same of slices, and what most of them take. */
  slices(slices: readonly Hold[]): string {
    const free = slices.filter((slice) => this.collectionIn(slice) === 0);
    const longest = free.toSorted((a, b) => b.ms - a.ms);
    const rank = (share: number): string =>
      (longest[Math.floor(longest.length * share)]?.ms ?? 0).toFixed(2);
    const cpu = free.map(({ cpuMs }) => cpuMs);
    return (
      `${slices.length} slices, ${slices.length - free.length} of them with garbage; the others ` +
      `${this.longest(longest)}, 99 of 100 within ${rank(0.01)} ms, half within ${rank(0.5)} ms ` +
      `(of processors: ${Math.max(0, ...cpu).toFixed(1)} ms at most, median ${median(cpu).toFixed(2)})`
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    this.#observer.disconnect();
  }
}

/** @returns lines for a person */
export async function measureHold(options: HoldOptions): Promise<readonly string[]> {
  const { directory, keyCount, underLoad, key, value } = options;
  let taken = false;
  await using database = await openNode(directory, keyCount + DUE_COMMANDS, (line) => {
    taken ||= line.includes("taken,");
  });
  const put = async (first: number, step: number, count: number): Promise<void> => {
    const keys = Array.from({ length: count }, (_, i) => key((first + i * step) % keyCount));
    const puts = keys.map((name) => ({ kind: "put" as const, key: name, value }));
    await database.batch(puts, { timeoutMs: 120_000 });
  };
  for (let first = 0; first < keyCount; first += FILL_BATCH) await put(first, 1, FILL_BATCH);
  await sleep(2000);
  (globalThis as { readonly gc?: () => void }).gc?.();
  await sleep(500);
  const watch = new Watch();
  const slices = timeSlices();
  // Until one is due; it is being written when its file is there.
  const isBegun = (): boolean =>
    taken || readdirSync(`${directory}/snapshots`).some((name) => name.endsWith(".tmp"));
  for (let first = 1; !isBegun(); first += LOAD_BATCH) await put(first, STRIDE, LOAD_BATCH);
  const before = watch.take();
  const startedAt = performance.now();
  let writeCount = 0;
  for (; !isTaken(); writeCount += LOAD_BATCH) {
    if (underLoad) await put(writeCount, STRIDE, LOAD_BATCH);
    else await sleep(10);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  await sleep(100);
  const holds = watch.take();
  await watch.stop();
  const workMs = Math.max(0, ...holds.map((hold) => hold.ms - watch.collectionIn(hold)));
  const others = underLoad
    ? `under ${Math.round(writeCount / seconds)} writes/s`
    : "with nothing else to do";
  return [
    `snapshot of ${keyCount} keys ${others}: ${seconds.toFixed(1)} s`,
    `  turns: ${watch.longest(holds)}; without garbage ${workMs.toFixed(1)} ms at most`,
    `  turns of the writes before it: ${watch.longest(before)}`,
    `  the snapshot's own: ${watch.slices(slices)}`,
  ];

  function isTaken(): boolean {
    return taken;
  }
}

/** A cluster of one, told when a snapshot is due. */
function openNode(
  directory: string,
  snapshotEntries: number,
  log: (line: string) => void,
): Promise<Database> {
  const address = "127.0.0.1:0";
  return open({
    ...{ id: "n1", peerAddress: address, clientAddress: address, dataDirectory: directory },
    cluster: new Map([["n1", address]]),
    ...{ snapshotEntries, log },
  });
}
