/**
 * What runs out, by when: leases, sessions, transactions. A deadline is a moment
 * of run time (log-clock.ts).
 *
 * Most deadlines are put off long before they come. So one that moved back is not
 * moved here: when its old place comes up, it is put at its new one.
 */
import SortedBTree from "sorted-btree";

// The package is CommonJS: its class hides behind two defaults.
const BTree = SortedBTree.default;

/** Something with a deadline that may move back, never forth. */
export interface Expiring {
  readonly order: number;
  deadline: number;
  /** where it stands among the deadlines: at most `deadline` */
  placed: number;
}

type Place = Pick<Expiring, "placed" | "order">;

export class Deadlines<Item extends Expiring> {
  readonly #items: SortedBTree.default<Place, Item> = new BTree<Place, Item>(
    undefined,
    (a, b) => a.placed - b.placed || a.order - b.order,
  );

  add(item: Item): void {
    item.placed = item.deadline;
    this.#items.set({ placed: item.placed, order: item.order }, item);
  }

  remove(item: Item): void {
    this.#items.delete(item);
  }

  /** A moment at or before the earliest deadline; undefined when there is none. */
  get earliest(): number | undefined {
    return this.#items.minKey()?.placed;
  }

  /** Takes out the item whose deadline is the earliest, if that is at or before `runTime`. */
  take(runTime: number): Item | undefined {
    for (;;) {
      const place = this.#items.minKey();
      if (place === undefined || place.placed > runTime) return undefined;
      const item = this.#items.get(place);
      this.#items.delete(place);
      if (item === undefined) return undefined;
      if (item.deadline <= place.placed) return item;
      this.add(item);
    }
  }
}
