/**
 * The commands of one connection that are not answered yet, in their order: a ring
 * of slots that are used again and again, so that a command needs no object.
 *
 *   first <= next <= end      answered and gone | begun | waiting | free
 */
import { assert } from "../../assert.js";
import type { DatabaseError } from "../../errors.js";
import type { PlainPut } from "../../node/plain-put.js";
import type { ExecuteDone } from "../../node/service.js";
import type { RequestResult } from "../../store/command.js";
import type { Plan } from "./command.js";

/** GET of a key and SET of a key to a value: where they lie is in the slot. */
export type SlotPlan = Plan | { readonly kind: "get" } | { readonly kind: "set" };

export const PLAIN_GET: SlotPlan = { kind: "get" };
export const PLAIN_SET: SlotPlan = { kind: "set" };

const FREE: SlotPlan = { kind: "local", run: () => undefined };
const NO_BYTES = Buffer.alloc(0);
const CAPACITY_MIN = 4;
/** A ring with more slots is let go of when it is empty. */
const CAPACITY_KEPT = 128;

export class Slot {
  plan: SlotPlan = FREE;
  /** bytes of the request's arguments */
  size = 0;
  /** of a plain GET: its key, in the chunk it came in */
  bytes: Buffer = NO_BYTES;
  keyStart = 0;
  keySize = 0;
  /** of a plain SET; made when the slot holds its first one */
  put: PlainPut | undefined;
  /** of a write, once it is answered: one of the two */
  error: DatabaseError | undefined;
  result: RequestResult | undefined;
  /** takes a write's answer; made when the slot holds its first write */
  done: ExecuteDone | undefined;

  /** It is answered: nobody else holds any of it. */
  clear(): void {
    this.plan = FREE;
    this.bytes = NO_BYTES;
    this.put?.release();
    this.error = undefined;
    this.result = undefined;
  }
}

export class PipelineSlots {
  #ring: (Slot | undefined)[] = new Array<Slot | undefined>(CAPACITY_MIN).fill(undefined);
  #first = 0;
  #end = 0;

  /** the oldest command's place */
  get first(): number {
    return this.#first;
  }

  /** behind the newest command's place */
  get end(): number {
    return this.#end;
  }

  get count(): number {
    return this.#end - this.#first;
  }

  /** Adds a command. @returns its slot, clear but for the plan and the size */
  push(plan: SlotPlan, size: number): Slot {
    if (this.count === this.#ring.length) this.#grow();
    const place = this.#end & (this.#ring.length - 1);
    const slot = (this.#ring[place] ??= new Slot());
    slot.plan = plan;
    slot.size = size;
    this.#end++;
    return slot;
  }

  /** @param place from `first` to before `end` */
  at(place: number): Slot {
    const slot = this.#ring[place & (this.#ring.length - 1)];
    assert(slot !== undefined, "a slot's place is within the pipeline");
    return slot;
  }

  /** The oldest command is answered. */
  shift(): void {
    this.at(this.#first).clear();
    this.#first++;
    if (this.#first < this.#end) return;
    if (this.#ring.length > CAPACITY_KEPT) this.clear();
  }

  clear(): void {
    this.#ring = new Array<Slot | undefined>(CAPACITY_MIN).fill(undefined);
    this.#first = this.#end;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<Slot | undefined>(2 * old.length).fill(undefined);
    for (let place = this.#first; place < this.#end; place++) {
      ring[place & (ring.length - 1)] = old[place & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
