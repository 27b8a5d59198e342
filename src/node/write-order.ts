/**
 * Writes of one client connection whose effects are to happen in the order they
 * came in, as RESP's do, though many are under way at once.
 *
 * A write that provably was not applied goes back to the queue: but not when a later
 * one of its order was taken from there and is not put back with it, for that one may
 * have happened already, or may happen first. Such a write has been overtaken; it
 * fails, and it is proven that it was not applied.
 */
import { assert } from "../assert.js";

export class WriteOrder {
  #given = 0;
  #taken = 0;

  /** The place of the next write that comes in: 1, 2, ... */
  next(): number {
    this.#given += 1;
    return this.#given;
  }

  /** The write at `place` is on its way to the log. */
  take(place: number): void {
    if (place > this.#taken) this.#taken = place;
  }

  /** The write at `place` is to wait again, after all later ones that are. @returns false when it was overtaken */
  tryPuttingBack(place: number): boolean {
    if (place !== this.#taken) return false;
    this.#taken -= 1;
    return true;
  }
}

/** What a write has of it; both or none. */
export interface Ordered {
  readonly order?: WriteOrder;
  /** within `order` */
  readonly orderPlace?: number;
}

/**
 * Sorts out what is put back together.
 *
 * @returns what may wait again, each order's writes one behind another as they came, and what was overtaken
 */
export function putBackInOrder<Write extends Ordered>(
  writes: readonly Write[],
): { readonly waiting: readonly Write[]; readonly overtaken: readonly Write[] } {
  const newestFirst = new Map<WriteOrder, Write[]>();
  for (const write of writes) {
    if (write.order === undefined) continue;
    const others = newestFirst.get(write.order);
    if (others === undefined) newestFirst.set(write.order, [write]);
    else others.push(write);
  }
  if (newestFirst.size === 0) return { waiting: writes, overtaken: [] };
  const overtaken: Write[] = [];
  for (const [order, ordered] of newestFirst) {
    ordered.sort((a, b) => placeOf(b) - placeOf(a));
    const kept: Write[] = [];
    for (const write of ordered) {
      (order.tryPuttingBack(placeOf(write)) ? kept : overtaken).push(write);
    }
    newestFirst.set(order, kept);
  }
  const waiting = writes.flatMap((write) => {
    if (write.order === undefined) return [write];
    return newestFirst.get(write.order)?.pop() ?? [];
  });
  return { waiting, overtaken };
}

function placeOf({ orderPlace }: Ordered): number {
  assert(orderPlace !== undefined, "a write of an order has its place");
  return orderPlace;
}
