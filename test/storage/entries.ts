/** Entries for the storage tests: chained, of chosen sizes, the same for the same seed. */
import { entrySealer } from "../../src/codec/block.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { sealRequests } from "../codec/seal-requests.js";

export const CLUSTER_ID = "00112233445566778899aabbccddeeff";
const TIME = 1_790_000_000_000;

/** mulberry32: small, seeded, good enough to draw test cases. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the next entry stands behind. */
export interface Predecessor {
  readonly index: number;
  readonly term: number;
  readonly checksum: number;
}

export const NOTHING: Predecessor = { index: 0, term: 1, checksum: 0 };

/** One put whose value is `value`, behind `previous`. */
export function putEntry(
  previous: Predecessor,
  value: Uint8Array,
  term: number = previous.term,
): Entry {
  const position = {
    index: LogIndex(previous.index + 1),
    term: Term(term),
    previousChecksum: previous.checksum,
  };
  const key = new TextEncoder().encode(`key-${previous.index + 1}`);
  return sealRequests(position, TIME, [
    { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] },
  ]);
}

/** A configuration of three members. */
export function configurationEntry(previous: Predecessor): Entry {
  const position = {
    index: LogIndex(previous.index + 1),
    term: Term(previous.term),
    previousChecksum: previous.checksum,
  };
  const voters = ["a", "b", "c"].map(NodeId);
  return entrySealer(() => TIME).configuration(position, { voters, learners: [] });
}

/** `count` entries with values of 0 to `valueSizeMax` bytes; some values are all zeros. */
export function putEntries(
  previous: Predecessor,
  count: number,
  random: () => number,
  valueSizeMax: number,
): readonly Entry[] {
  const entries: Entry[] = [];
  let last = previous;
  for (let i = 0; i < count; i++) {
    const value = new Uint8Array(Math.floor(random() * (valueSizeMax + 1)));
    if (random() < 0.7) value.fill(1 + Math.floor(random() * 255));
    const entry = putEntry(last, value);
    entries.push(entry);
    last = entry;
  }
  return entries;
}
