/**
 * A map by key text that holds more than one Map can. A V8 Map dies at 16.7
 * million entries and stalls while it grows, so that keys are spread over many
 * Maps by a hash of their text: each stays small, and each grows at its own time.
 */
import { assert } from "../assert.js";

/** A power of two. 256 Maps hold 4 billion keys: memory ends first. */
const SHARD_COUNT = 256;

export class ShardedMap<Value> {
  readonly #shards: readonly Map<string, Value>[] = Array.from(
    { length: SHARD_COUNT },
    () => new Map<string, Value>(),
  );

  get(text: string): Value | undefined {
    return this.#shard(text).get(text);
  }

  /** Whether the key is new. */
  set(text: string, value: Value): boolean {
    const shard = this.#shard(text);
    const sizeBefore = shard.size;
    shard.set(text, value);
    return shard.size !== sizeBefore;
  }

  /** Whether the key was there. */
  delete(text: string): boolean {
    return this.#shard(text).delete(text);
  }

  #shard(text: string): Map<string, Value> {
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
