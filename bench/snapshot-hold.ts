/**
 * How long a snapshot holds the event loop, in a process of its own: longest turns
 * while one of `keyCount` keys is taken, with nothing else to do, two seconds after
 * the fill and with its garbage collected; or under writes.
 *
 * What the machine gave to other processes meanwhile is taken off each turn (Linux
 * tells how long a thread waited for a processor); what a turn waited for the disk is
 * not. Collections are named: whether they are the snapshot's own or not, they hold.
 *
 *   turns     of the loop, whatever was in them but the control; and the same of the writes
 *             before the snapshot is begun
 *   slices    the snapshot's own steps: as the loop has them, other processes' time taken
 *             off; of that the main thread's time on a processor, and pages it was the first
 *             to touch (thread-time.ts)
 *   control   behind each slice, as long as it took: a loop that does nothing but look at the
 *             clock. How far it is beyond its time is how far the machine itself holds
 */
import { readdirSync } from "node:fs";
import { PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { open, type Database } from "../src/index.js";
import { Slices } from "../src/node/slices.js";
import { threadTimes, type ThreadTime } from "./thread-time.js";

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
/** Milliseconds: several times what a slice may take. */
const LONG_MS = 2;
/** Holds that are told of one by one. */
const LONGEST_COUNT = 3;

interface Hold {
  readonly at: number;
  /** other processes' time taken off */
  readonly ms: number;
  /** of that, this thread on a processor */
  readonly runMs: number;
  readonly faultCount: number;
}

/** Begins to time something, the looks at the counters included. @returns ends it */
function holdFrom(times: () => ThreadTime): () => Hold {
  const at = performance.now();
  const before = times();
  return () => {
    const { runMs, waitedMs, faultCount } = times();
    const ms = performance.now() - at - (waitedMs - before.waitedMs);
    return {
      at,
      ms,
      runMs: Math.min(ms, runMs - before.runMs),
      faultCount: faultCount - before.faultCount,
    };
  };
}

interface TimedSlices {
  readonly slices: Hold[];
  /** one behind each slice */
  readonly controls: Hold[];
}

/** Every slice of long work in this process from now on. */
function timeSlices(): TimedSlices {
  const timed: TimedSlices = { slices: [], controls: [] };
  const times = threadTimes();
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const schedule = Slices.prototype.schedule;
  Slices.prototype.schedule = function (this: Slices, slice): void {
    schedule.call(this, (until) => {
      const plannedMs = until - performance.now();
      const endOfSlice = holdFrom(times);
      slice(until);
      const held = endOfSlice();
      timed.slices.push(held);
      const endOfControl = holdFrom(times);
      const controlEnd = performance.now() + Math.min(plannedMs, held.ms);
      while (performance.now() < controlEnd);
      timed.controls.push(endOfControl());
    });
  };
  return timed;
}

/** Notes the turns of the event loop until it is stopped. */
class Watch {
  readonly #times = threadTimes();
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
      const end = holdFrom(this.#times);
      await turn();
      const hold = end();
      if (hold.ms >= TURN_MS_MIN) this.#holds.push(hold);
    }
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  /** Holds since the last call, the longest first. @param controls what of them was no work */
  take(controls: readonly Hold[] = []): readonly Hold[] {
    const holds = this.#holds.map((hold) => without(hold, controls));
    this.#holds = [];
    return holds.toSorted((a, b) => b.ms - a.ms);
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
    const texts = holds.slice(0, LONGEST_COUNT).map((hold) => {
      const garbage = Math.min(hold.ms, this.collectionIn(hold));
      const parts = [
        `${hold.runMs.toFixed(1)} on a processor`,
        ...(hold.faultCount === 0 ? [] : [`${hold.faultCount} pages`]),
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
    const garbageCount = slices.length - free.length;
    const longCount = longest.filter(({ ms }) => ms > LONG_MS).length;
    const totalMs = free.reduce((total, { ms }) => total + ms, 0);
    const runMsMax = Math.max(0, ...free.map(({ runMs }) => runMs));
    return (
      `${slices.length}${garbageCount === 0 ? "" : `, ${garbageCount} of them with garbage`}; ` +
      `${this.longest(longest)}; ${longCount} over ${LONG_MS} ms, ` +
      `999 of 1000 within ${rank(0.001)}, 99 of 100 within ${rank(0.01)}, half within ${rank(0.5)}, ` +
      `${(totalMs / 1000).toFixed(2)} s in all; on a processor ${runMsMax.toFixed(1)} ms at most`
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    this.#observer.disconnect();
  }
}

/** A turn without what of it was controls. */
function without(turn: Hold, controls: readonly Hold[]): Hold {
  const { at, ms, runMs, faultCount } = turn;
  const within = controls.filter((one) => one.at >= at && one.at < at + ms);
  const controlMs = within.reduce((total, one) => total + one.ms, 0);
  return { at, ms: ms - controlMs, runMs: Math.max(0, runMs - controlMs), faultCount };
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
  const { slices, controls } = timeSlices();
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
  const holds = watch.take(controls);
  await watch.stop();
  const workMs = Math.max(0, ...holds.map((hold) => hold.ms - watch.collectionIn(hold)));
  const others = underLoad
    ? `under ${Math.round(writeCount / seconds)} writes/s`
    : "with nothing else to do";
  return [
    `snapshot of ${keyCount} keys ${others}: ${seconds.toFixed(1)} s`,
    `  turns: ${watch.longest(holds)}; without garbage ${workMs.toFixed(1)} ms at most`,
    `  turns of the writes before it: ${watch.longest(before)}`,
    `  slices of the snapshot: ${watch.slices(slices)}`,
    `  the control behind them: ${watch.slices(controls)}`,
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
