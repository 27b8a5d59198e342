/**
 * The table as Maps by key and one ordered index of the keys.
 *
 * Point reads and overwrites touch a Map alone; the index (a B+ tree) is paid for
 * only by keys that are new or removed, and by ranges. A V8 Map dies at 16.7
 * million entries and stalls while it grows, so that keys are spread over many
 * Maps by a hash of their bytes: each stays small, and each grows at its own time.
 *
 * Invariant: the index holds exactly the keys of the Maps.
 */
import SortedBTree from "sorted-btree";
import { assert } from "../assert.js";
import type { KeyValue } from "./command.js";
import { keyText } from "./key-order.js";
import type { Table } from "./table.js";

/** A power of two. 256 Maps hold 4 billion keys: memory ends first. */
const SHARD_COUNT = 256;

// The package is CommonJS: its class hides behind two defaults.
const BTree = SortedBTree.default;
type Index = SortedBTree.default<string>;

export class MapTable implements Table {
  readonly #shards: readonly Map<string, KeyValue>[] = Array.from(
    { length: SHARD_COUNT },
    () => new Map<string, KeyValue>(),
  );
  readonly #index: Index = new BTree<string>(undefined, compareCodeUnits);

  get size(): number {
    return this.#index.size;
  }

  get(key: Uint8Array): KeyValue | undefined {
    const text = keyText(key);
    return this.#shard(text).get(text);
  }

  set(keyValue: KeyValue): void {
    const text = keyText(keyValue.key);
    const shard = this.#shard(text);
    const sizeBefore = shard.size;
    shard.set(text, keyValue);
    if (shard.size !== sizeBefore) this.#index.set(text, undefined);
  }

  delete(key: Uint8Array): boolean {
    const text = keyText(key);
    if (!this.#shard(text).delete(text)) return false;
    this.#index.delete(text);
    return true;
  }

  clear(): void {
    for (const shard of this.#shards) shard.clear();
    this.#index.clear();
  }

  *range(from: Uint8Array, end: Uint8Array): IterableIterator<KeyValue> {
    const endText = end.length === 0 ? undefined : keyText(end);
    for (const text of this.#index.keys(keyText(from))) {
      if (endText !== undefined && text >= endText) return;
      const keyValue = this.#shard(text).get(text);
      if (keyValue !== undefined) yield keyValue;
    }
  }

  #shard(text: string): Map<string, KeyValue> {
    const shard = this.#shards[shardOf(text)];
    assert(shard !== undefined, "a shard's number is below SHARD_COUNT");
    return shard;
  }
}

/** FNV-1a, folded: every byte of the key counts, so that a common prefix or suffix does no harm. */
function shardOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (SHARD_COUNT - 1);
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
