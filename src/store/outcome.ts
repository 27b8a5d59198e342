/**
 * What became of requests, by their ids, for those who asked and heard nothing.
 *
 * The last ids are kept, in two generations: when the young one is full it
 * becomes the old one, and the old one is forgotten. So at least GENERATION_COUNT
 * of them are known, and none is ever deleted by itself, which would cost more
 * than all the rest.
 */
import { keyText } from "./key-order.js";

/** ids of one generation */
const GENERATION_COUNT = 32_768;

/** What became of a request: its revision when it was applied, or that it was rejected. */
export type RequestOutcome =
  { readonly kind: "applied"; readonly revision: number } | { readonly kind: "rejected" };

/** 0: rejected */
type Mark = number;

export class Outcomes {
  #old = new Map<string, Mark>();
  #young = new Map<string, Mark>();

  /** @param revision 0: it was rejected */
  note(id: Uint8Array, revision: number): void {
    const text = keyText(id);
    // The first outcome counts; and a view that is open may be at this entry.
    if (this.#young.has(text)) return;
    if (this.#young.size >= GENERATION_COUNT) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, revision);
  }

  of(id: Uint8Array): RequestOutcome | undefined {
    const text = keyText(id);
    const revision = this.#young.get(text) ?? this.#old.get(text);
    if (revision === undefined) return undefined;
    return revision === 0 ? { kind: "rejected" } : { kind: "applied", revision };
  }

  /** Both generations as they are now; what is added later stands behind these counts. */
  get generations(): readonly {
    readonly marks: ReadonlyMap<string, Mark>;
    readonly count: number;
  }[] {
    return [this.#old, this.#young].map((marks) => ({ marks, count: marks.size }));
  }

  /** @param young whether it belongs to the young generation */
  restore(text: string, revision: number, young: boolean): void {
    (young ? this.#young : this.#old).set(text, revision);
  }
}
