/** An ordered set of key texts: a B+ tree. */
import SortedBTree from "sorted-btree";

// The package is CommonJS: its class hides behind two defaults.
const BTree = SortedBTree.default;

export class KeyIndex {
  readonly #tree: SortedBTree.default<string> = new BTree<string>(undefined, compareCodeUnits);

  get size(): number {
    return this.#tree.size;
  }

  add(text: string): void {
    this.#tree.set(text, undefined);
  }

  delete(text: string): void {
    this.#tree.delete(text);
  }

  /** From `from` on, in order. Not to be changed meanwhile. */
  keys(from: string): IterableIterator<string> {
    return this.#tree.keys(from);
  }
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
