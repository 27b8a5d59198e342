/**
 * Things in the order of their numbers, and one view of all of them as they are when
 * it is opened: at once, however many there are.
 *
 *   the order    a tree that the view shares, until one of its nodes changes
 *   a thing      is copied for the view before it changes the first time
 */
import SortedBTree from "sorted-btree";
import { assert } from "../assert.js";

// The package is CommonJS: its class hides behind two defaults.
const BTree = SortedBTree.default;
type Tree<Item> = SortedBTree.default<number, Item>;

interface Numbered {
  readonly order: number;
}

/** What a view shows: things as they were. May be gone through any number of times. */
export interface RegistryView<Shown> extends Iterable<Shown> {
  /** Frees what was copied. */
  close(): void;
}

/** @typeParam Shown what of a thing may be seen by a view */
export class Registry<
  Item extends Numbered & Shown,
  Shown extends object,
> implements Iterable<Item> {
  readonly #tree: Tree<Item> = new BTree<number, Item>(undefined, (a, b) => a - b);
  readonly #copy: (item: Item) => Shown;
  /** by thing: what the view that is open shows of it */
  #copies: Map<Item, Shown> | undefined;

  /** @param copy of all that changes in place */
  constructor(copy: (item: Item) => Shown) {
    this.#copy = copy;
  }

  get size(): number {
    return this.#tree.size;
  }

  get(order: number): Item | undefined {
    return this.#tree.get(order);
  }

  has(order: number): boolean {
    return this.#tree.has(order);
  }

  add(item: Item): void {
    this.#tree.set(item.order, item);
  }

  delete(item: Item): void {
    this.#tree.delete(item.order);
  }

  /** To be called before something of it changes that may be seen. */
  changing(item: Item): void {
    const copies = this.#copies;
    if (copies !== undefined && !copies.has(item)) copies.set(item, this.#copy(item));
  }

  /** All of them as they are. Not to be changed meanwhile. */
  [Symbol.iterator](): IterableIterator<Item> {
    return this.#tree.values();
  }

  /** A view of this moment. At most one is open. */
  openView(): RegistryView<Shown> {
    assert(this.#copies === undefined, "there is one view at a time");
    const copies = new Map<Item, Shown>();
    this.#copies = copies;
    let tree: Tree<Item> | undefined = this.#tree.clone();
    return {
      *[Symbol.iterator]() {
        for (const item of tree?.values() ?? []) yield copies.get(item) ?? item;
      },
      close: () => {
        tree = undefined;
        this.#copies = undefined;
      },
    };
  }
}
