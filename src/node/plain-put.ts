/**
 * A put of a connection on its way, as it came: its key and value lie in the bytes
 * they came in, and it is used for the connection's next put when it is settled. So a
 * put that the leader is asked for needs no object of its own.
 *
 *   free ── take ──▶ asked for ── settled ──▶ free
 */
import type { PutInPlace, Request, RequestResult } from "../store/command.js";
import { putSize } from "../store/limits.js";
import type { LyingPut, PendingWrite } from "./pending-write.js";
import type { ExecuteDone, Needs } from "./service.js";
import type { WriteOrder } from "./write-order.js";

const NO_ID = new Uint8Array(0);
const NO_BYTES = new Uint8Array(0);

export class PlainPut implements PendingWrite, LyingPut {
  readonly needs: Needs = "revision";
  readonly order: WriteOrder;
  orderPlace = 0;
  bytes: Uint8Array = NO_BYTES;
  keyStart = 0;
  keySize = 0;
  valueStart = 0;
  valueSize = 0;
  /** set by whoever asks for it, before that */
  deadline = 0;
  done: ExecuteDone | undefined;
  readonly #result: { kind: "applied"; revision: number; results: readonly [] } = {
    kind: "applied",
    revision: 0,
    results: [],
  };

  /** @param order of all puts that it will be */
  constructor(order: WriteOrder) {
    this.order = order;
  }

  /**
   * A new put. It is settled by then, or was never asked for.
   *
   * @param where nobody changes the bytes until it is settled
   * @param done its result holds until the next put
   */
  take({ bytes, keyStart, keySize, valueStart, valueSize }: PutInPlace, done: ExecuteDone): void {
    this.bytes = bytes;
    this.keyStart = keyStart;
    this.keySize = keySize;
    this.valueStart = valueStart;
    this.valueSize = valueSize;
    this.done = done;
  }

  /** The node's: it takes the put in. */
  begin(): void {
    this.orderPlace = this.order.next();
  }

  /** Lets go of the bytes of a put that is settled. */
  release(): void {
    this.bytes = NO_BYTES;
  }

  get put(): this {
    return this;
  }

  get size(): number {
    return putSize(this.keySize, this.valueSize);
  }

  /** The same as an object of its own, for the ways that are rarely gone. */
  get request(): Request {
    const { bytes, keyStart, keySize, valueStart, valueSize } = this;
    const key = bytes.subarray(keyStart, keyStart + keySize);
    const value = bytes.subarray(valueStart, valueStart + valueSize);
    return { id: NO_ID, commands: [{ kind: "put", key, value, condition: "none" }] };
  }

  /** Its result, whose memory is this put's. */
  applied(revision: number): RequestResult {
    this.#result.revision = revision;
    return this.#result;
  }
}
