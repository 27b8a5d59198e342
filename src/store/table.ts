/**
 * The table of current values, behind an interface of its own: today Maps and an
 * ordered index, later off the JavaScript heap. Keys are key texts (key-order.ts).
 */
import type { KeyValue } from "./command.js";

export interface Table {
  readonly size: number;
  get(text: string): KeyValue | undefined;
  set(text: string, keyValue: KeyValue): void;
  /** whether the key was there */
  delete(text: string): boolean;
  /** Keys from `from` on, in order. Not to be changed meanwhile. */
  keys(from: string): IterableIterator<string>;
}
