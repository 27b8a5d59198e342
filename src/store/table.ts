/**
 * The table of current values, behind an interface of its own: today a Map and
 * an ordered index, later off the JavaScript heap.
 */
import type { KeyValue } from "./command.js";

export interface Table {
  readonly size: number;
  get(key: Uint8Array): KeyValue | undefined;
  set(keyValue: KeyValue): void;
  /** whether the key was there */
  delete(key: Uint8Array): boolean;
  clear(): void;
  /** Keys in [from, end) in byte order; an empty `end` means no upper bound. Not to be changed meanwhile. */
  range(from: Uint8Array, end: Uint8Array): IterableIterator<KeyValue>;
}
