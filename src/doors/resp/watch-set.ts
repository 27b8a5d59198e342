/**
 * What a connection has asked to WATCH: which keys, and the revision of each when
 * it was seen. A key is unchanged while its modRevision is the same: 0 while it is
 * absent, so that the end of its time to live is a change like a deletion. A key
 * that was absent, came and went again is as it was: Redis would call it changed.
 */
import { COMMAND_OVERHEAD_SIZE } from "../../store/limits.js";
import { keyText } from "../../store/key-order.js";
import type { Limits, Read } from "../../store/command.js";
import { readKeys, refuse } from "./command.js";
import type { KeysReadPlan, KeyView, LocalPlan } from "./command.js";
import type { HeldSize } from "./held-size.js";

interface WatchedKey {
  readonly key: Buffer;
  /** undefined until it is seen */
  revision: number | undefined;
}

export class WatchSet {
  readonly #limits: Limits;
  readonly #held: HeldSize;
  /** By key text. */
  readonly #keys = new Map<string, WatchedKey>();
  #size = 0;
  #askedCount = 0;
  #seenCount = 0;

  constructor(limits: Limits, held: HeldSize) {
    this.#limits = limits;
    this.#held = held;
  }

  /** Whether all that was asked for has been looked at: a WATCH may have failed. */
  get complete(): boolean {
    return this.#seenCount === this.#askedCount;
  }

  /** A WATCH of these keys. One that is watched already stays as it was first seen. */
  watch(keys: readonly Buffer[]): KeysReadPlan | LocalPlan {
    this.#askedCount++;
    const fresh = this.#fresh(keys);
    let size = 0;
    for (const { key } of fresh.values()) size += key.length + COMMAND_OVERHEAD_SIZE;
    const { requestSizeMax } = this.#limits;
    if (this.#size + size > requestSizeMax) {
      return refuse(
        `ERR the watched keys are over the limit of ${requestSizeMax} bytes (${COMMAND_OVERHEAD_SIZE} counted beside each)`,
      );
    }
    if (!this.#held.tryTake(size)) return refuse(TOO_MUCH_HELD);
    this.#size += size;
    for (const [text, watched] of fresh) this.#keys.set(text, watched);
    return readKeys(
      [...fresh.values()].map(({ key }) => key),
      (reply, view) => {
        for (const watched of fresh.values()) watched.revision = revisionOf(watched.key, view);
        this.#seenCount++;
        reply.simple("OK");
      },
    );
  }

  /** Those that are not watched yet, without what can never be a key. */
  #fresh(keys: readonly Buffer[]): ReadonlyMap<string, WatchedKey> {
    const fresh = new Map<string, WatchedKey>();
    for (const key of keys) {
      if (key.length === 0 || key.length > this.#limits.keySizeMax) continue;
      const text = keyText(key);
      // A copy: a key must not keep alive the chunk it came in.
      if (!this.#keys.has(text)) fresh.set(text, { key: Buffer.from(key), revision: undefined });
    }
    return fresh;
  }

  /** To be checked where the request is applied. */
  get reads(): readonly Read[] {
    return [...this.#keys.values()].map(({ key, revision = 0 }) => ({
      kind: "key",
      key,
      revision,
    }));
  }

  /** Whether any key differs at the moment of `view`. */
  changedIn(view: KeyView): boolean {
    for (const { key, revision } of this.#keys.values()) {
      if (revisionOf(key, view) !== revision) return true;
    }
    return false;
  }

  /** It is not kept any more. */
  release(): void {
    this.#held.give(this.#size);
    this.#size = 0;
  }
}

export const TOO_MUCH_HELD =
  "BUSY the clients of this node keep too much in transactions: try again later";

function revisionOf(key: Uint8Array, view: KeyView): number {
  return view.get(key)?.modRevision ?? 0;
}
