/**
 * The table as Maps by key and one ordered index of the keys.
 *
 * Point reads and overwrites touch a Map alone; the index is paid for only by keys
 * that are new or removed, and by ranges.
 *
 * Invariant: the index holds exactly the keys of the Maps.
 */
import type { KeyValue } from "./command.js";
import { KeyIndex } from "./key-index.js";
import { ShardedMap } from "./sharded-map.js";
import type { Table } from "./table.js";

export class MapTable implements Table {
  readonly #records = new ShardedMap<KeyValue>();
  readonly #index = new KeyIndex();

  get size(): number {
    return this.#index.size;
  }

  get(text: string): KeyValue | undefined {
    return this.#records.get(text);
  }

  set(text: string, keyValue: KeyValue): void {
    if (this.#records.set(text, keyValue)) this.#index.add(text);
  }

  delete(text: string): boolean {
    if (!this.#records.delete(text)) return false;
    this.#index.delete(text);
    return true;
  }

  keys(from: string): IterableIterator<string> {
    return this.#index.keys(from);
  }
}
