/**
 * The one history that a cluster has committed, kept outside of it, and folded once
 * more at the end: by a store that never crashed, whose keys are compared after
 * every request. What it finds is what watches must have told, and what leases did.
 */
import { decodeRequests, entryTime } from "../codec/block.js";
import { type Entry, LogIndex, type Term } from "../raft/types.js";
import type { KeyValue, Request, RequestResult } from "../store/command.js";
import { Store } from "../store/store.js";
import { textOf } from "./client-script.js";
import type { SimulatedNode } from "./simulated-node.js";

/** What one request did to one key. */
export interface CommittedChange {
  readonly revision: number;
  readonly key: string;
  /** undefined: deleted */
  readonly current: KeyValue | undefined;
  readonly previous: KeyValue | undefined;
}

/** A request as the log has it, and what came of it. */
export interface Folded {
  readonly request: Request;
  readonly result: RequestResult;
  readonly term: Term;
  /** the leader's stamp */
  readonly time: number;
  /** of keys in their order */
  readonly changes: readonly CommittedChange[];
}

/** Entries that are read together; soon, before they are compacted. */
const BATCH_COUNT = 4;
const NO_KEY = new Uint8Array(0);

export class CommittedLog {
  readonly #nodes: readonly SimulatedNode[];
  /** by index, from 1; 0 is none */
  readonly #checksums: number[] = [0];
  readonly #entries: Entry[] = [];

  constructor(nodes: readonly SimulatedNode[]) {
    this.#nodes = nodes;
  }

  /** The next entry was committed. */
  note(index: number, checksum: number): void {
    this.#checksums[index] = checksum;
    // Some at once; and a leader without room may have it in memory alone: then a little later.
    if (index - this.#entries.length >= BATCH_COUNT) this.#catchUp();
  }

  #catchUp(): void {
    for (let first = this.#next(); first < this.#checksums.length; first = this.#next()) {
      const entries = this.#readFrom(first);
      if (entries === undefined) return;
      this.#entries.push(...entries);
    }
  }

  #next(): number {
    return this.#entries.length + 1;
  }

  /** From the log of a node that lives. */
  #readFrom(first: number): readonly Entry[] | undefined {
    for (const { parts } of this.#nodes) {
      if (parts === undefined || first < parts.log.firstIndex) continue;
      const { log } = parts;
      let last = Math.min(log.lastIndex, this.#checksums.length - 1);
      // Checksums are chained: with the last one all agree.
      while (last >= first && log.checksum(LogIndex(last)) !== this.#checksums[last]) last -= 1;
      if (last >= first) return log.read(LogIndex(first), LogIndex(last), Infinity);
    }
    return undefined;
  }

  /** Folds everything; `onRequest` is told each request. @returns the state that all must have */
  fold(onRequest: (folded: Folded) => void): Store {
    this.#catchUp();
    if (this.#entries.length !== this.#checksums.length - 1)
      throw new Error(`fold: entry ${this.#entries.length + 1} is not to be had`);
    const store = new Store();
    let keys: ReadonlyMap<string, KeyValue> = new Map();
    for (const entry of this.#entries) {
      if (entry.kind !== "commands") continue;
      const time = entryTime(entry);
      for (const request of decodeRequests(entry)) {
        const { revision } = store;
        const result = store.apply(request, time);
        const before = keys;
        if (store.revision !== revision) keys = keysOf(store);
        const changes = differences(before, keys, store.revision);
        onRequest({ request, result, term: entry.term, time, changes });
      }
    }
    return store;
  }
}

function keysOf(store: Store): ReadonlyMap<string, KeyValue> {
  const { keyValues } = store.range(NO_KEY, NO_KEY, Infinity, Infinity);
  return new Map(keyValues.map((keyValue) => [textOf(keyValue.key), keyValue]));
}

function differences(
  before: ReadonlyMap<string, KeyValue>,
  after: ReadonlyMap<string, KeyValue>,
  revision: number,
): readonly CommittedChange[] {
  if (before === after) return [];
  const changes: CommittedChange[] = [];
  for (const [key, current] of after) {
    const previous = before.get(key);
    if (previous?.modRevision === current.modRevision) continue;
    changes.push({ revision, key, current, previous });
  }
  for (const [key, previous] of before) {
    if (!after.has(key)) changes.push({ revision, key, current: undefined, previous });
  }
  return changes.sort((a, b) => (a.key < b.key ? -1 : 1));
}
