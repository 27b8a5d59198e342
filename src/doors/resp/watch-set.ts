/**
 * What a connection has asked to WATCH: which keys, and the revision of each when
 * it was seen. A key is unchanged while its modRevision is the same: 0 while it is
 * absent, so that the end of its time to live is a change like a deletion.
 */
import { COMMAND_OVERHEAD_SIZE } from "../../store/limits.js";
import { keyText } from "../../store/key-order.js";
import type { Limits, Read } from "../../store/command.js";
import { readKeys, refuse } from "./command.js";
import type { KeyView, LocalPlan, ReadPlan } from "./command.js";

export class WatchSet {
  readonly #limits: Limits;
  /** By key text. */
  readonly #reads = new Map<string, Extract<Read, { kind: "key" }>>();
  #size = 0;
  #askedCount = 0;
  #seenCount = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether all that was asked for has been looked at: a WATCH may have failed. */
  get complete(): boolean {
    return this.#seenCount === this.#askedCount;
  }

  /** A WATCH of these keys. One that is watched already stays as it was first seen. */
  watch(keys: readonly Buffer[]): ReadPlan | LocalPlan {
    this.#askedCount++;
    // Copies: a key must not keep alive the chunk it came in.
    const own = keys.map((key) => Buffer.from(key));
    this.#size += own.reduce((sum, key) => sum + key.length + COMMAND_OVERHEAD_SIZE, 0);
    const { requestSizeMax } = this.#limits;
    if (this.#size > requestSizeMax) {
      return refuse(
        `ERR the watched keys are over the limit of ${requestSizeMax} bytes (${COMMAND_OVERHEAD_SIZE} counted beside each)`,
      );
    }
    return readKeys(own, (reply, view) => {
      for (const key of own) this.#see(key, view);
      this.#seenCount++;
      reply.simple("OK");
    });
  }

  #see(key: Buffer, view: KeyView): void {
    // There is no such key, and there never will be.
    if (key.length === 0 || key.length > this.#limits.keySizeMax) return;
    const text = keyText(key);
    if (this.#reads.has(text)) return;
    const revision = view.get(key)?.modRevision ?? 0;
    this.#reads.set(text, { kind: "key", key, revision });
  }

  /** To be checked where the request is applied. */
  get reads(): readonly Read[] {
    return [...this.#reads.values()];
  }

  has(key: Uint8Array): boolean {
    return this.#reads.has(keyText(key));
  }

  /** Whether any key differs at the moment of `view`. */
  changedIn(view: KeyView): boolean {
    for (const { key, revision } of this.#reads.values()) {
      if ((view.get(key)?.modRevision ?? 0) !== revision) return true;
    }
    return false;
  }
}
