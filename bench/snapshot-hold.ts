/**
 * How long a snapshot holds the event loop, in a process of its own: longest turns
 * while one of `keyCount` keys is taken, with nothing else to do, two seconds after
 * the fill and with its garbage collected; or under writes.
 *
 * What the machine gave to other processes meanwhile is taken off each turn (Linux
 * tells how long a thread waited for a processor); what a turn waited for the disk is
 * not. Collections are named: whether they are the snapshot's own or not, they hold.
 */
import { openSync, readdirSync, readSync } from "node:fs";
import { PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import process from "node:process";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { open, type Database } from "../src/index.js";

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
      const [at, waited] = [performance.now(), this.#waited()];
      await turn();
      const ms = performance.now() - at - (this.#waited() - waited);
      if (ms >= TURN_MS_MIN) this.#holds.push({ at, ms });
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

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    this.#observer.disconnect();
  }
}

/** @returns a line for a person */
export async function measureHold(options: HoldOptions): Promise<string> {
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
  // Until one is due; it is being written when its file is there.
  const isBegun = (): boolean =>
    taken || readdirSync(`${directory}/snapshots`).some((name) => name.endsWith(".tmp"));
  for (let first = 1; !isBegun(); first += LOAD_BATCH) await put(first, STRIDE, LOAD_BATCH);
  const before = watch.take()[0];
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
  const texts = holds.slice(0, 3).map((hold) => {
    const garbage = watch.collectionIn(hold);
    return `${hold.ms.toFixed(1)} ms${garbage === 0 ? "" : ` (${garbage.toFixed(1)} of it garbage)`}`;
  });
  const workMs = Math.max(0, ...holds.map((hold) => hold.ms - watch.collectionIn(hold)));
  const others = underLoad
    ? `under ${Math.round(writeCount / seconds)} writes/s`
    : "with nothing else to do";
  return (
    `snapshot of ${keyCount} keys ${others}: ${seconds.toFixed(1)} s, longest turns ` +
    `${texts.join(", ")}; without garbage ${workMs.toFixed(1)} ms at most; writes before it ${(before?.ms ?? 0).toFixed(1)} ms`
  );

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
