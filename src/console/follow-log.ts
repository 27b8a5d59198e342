/**
 * A log as it grows: the blocks that are there, and then each as it is appended.
 *
 * In a directory what is not committed yet is seen too, and may be replaced by
 * another leader's: then that is said, and the log is followed from there again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../codec/block.js";
import type { LogSource } from "./log-source.js";

const POLL_MS = 100;
/** Blocks behind the last one that are remembered, to find where a replaced end begins. */
const REMEMBERED_MAX = 10_000;

export interface FollowOptions {
  readonly from: number;
  /** ends it, without an error */
  readonly signal: AbortSignal;
  /** everything that is there was given: time to show it */
  readonly onCaughtUp: () => Promise<void>;
  /** gets what a person should know */
  readonly note: (line: string) => void;
}

/** The commands of each block, for as long as nobody ends it. */
export async function* followLog(
  source: LogSource,
  { from, signal, onCaughtUp, note }: FollowOptions,
): AsyncGenerator<readonly Row[]> {
  const isEnded = (): boolean => signal.aborted;
  const given = new Map<number, number>();
  let current = source;
  let next = from;
  for (;;) {
    for await (const rows of current.blocks(next)) {
      const [first] = rows;
      if (first === undefined) continue;
      yield rows;
      given.set(first.index, first.checksum);
      given.delete(first.index - REMEMBERED_MAX);
      next = first.index + 1;
      if (isEnded()) return;
    }
    await onCaughtUp();
    const later = await grown(current, signal);
    if (later === undefined) return;
    current = later;
    const kept = await lastKept(current, given, next);
    if (kept + 1 < next) {
      note(`note: entries from ${kept + 1} on were replaced by another leader's`);
      for (let index = kept + 1; index < next; index += 1) given.delete(index);
      next = kept + 1;
    }
  }
}

/** The same log once it has changed; undefined when it is followed no more. */
async function grown(source: LogSource, signal: AbortSignal): Promise<LogSource | undefined> {
  for (;;) {
    try {
      await sleep(POLL_MS, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
    const later = await source.later();
    if (later !== undefined) return later;
  }
}

/** The last index before `next` that still holds what was given; that before all that is remembered, if none does. */
async function lastKept(
  source: LogSource,
  given: ReadonlyMap<number, number>,
  next: number,
): Promise<number> {
  let index = next - 1;
  for (; given.has(index); index -= 1) {
    // Compacted since: a snapshot holds it, so it is committed as it was.
    if (index < source.firstIndex) return index;
    if ((await source.checksumAt(index))?.checksum === given.get(index)) return index;
  }
  return index;
}
