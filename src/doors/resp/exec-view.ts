/** What a read within a transaction sees: the keys as they were between the commands around it. */
import { keyText } from "../../store/key-order.js";
import type { CommandResult, KeyCommand, KeyValue } from "../../store/command.js";
import type { RangePage } from "../../store/store.js";
import type { StoreView } from "../../node/service.js";
import type { KeyView, ReadView } from "./command.js";

/** Single keys, as the "get" commands of the request have found them. */
export class FoundView implements KeyView {
  readonly #found: ReadonlyMap<string, CommandResult>;

  constructor(results: readonly CommandResult[]) {
    this.#found = new Map(
      results.flatMap((each) =>
        each.previous === undefined ? [] : [[keyText(each.previous.key), each] as const],
      ),
    );
  }

  get(key: Uint8Array): KeyValue | undefined {
    return this.#found.get(keyText(key))?.previous;
  }

  /** By the log's time, whatever is asked for: that is when it was read. */
  remainingOf(key: Uint8Array): number | undefined {
    const detail = this.#found.get(keyText(key))?.detail;
    return detail?.kind === "lease" ? detail.remaining : undefined;
  }
}

/**
 * All keys, as they were at a revision and after the first commands of the request
 * that came next: the past from the store's history, the commands from their
 * results. To be read only while it is `readable`.
 */
export class BetweenView implements ReadView {
  #view: StoreView;
  readonly #base: number;
  #baseSize: number | undefined;
  /** What the commands so far have changed, by key text; undefined: deleted. */
  readonly #changed = new Map<string, KeyValue | undefined>();
  /** All that was there at the base is deleted. */
  #cleared = false;
  #grown = 0;

  /** @param base the revision; at most the view's */
  constructor(view: StoreView, base: number) {
    this.#view = view;
    this.#base = base;
  }

  /** Goes on with a later view of the same store. */
  renew(view: StoreView): void {
    this.#view = view;
  }

  /** Whether the history goes back so far. */
  get readable(): boolean {
    return this.#base >= this.#view.compactedRevision;
  }

  /** The next commands, and what they did. */
  note(commands: readonly KeyCommand[], results: readonly CommandResult[]): void {
    for (const [i, { previous, current, deletedCount }] of results.entries()) {
      const command = commands[i];
      if (command === undefined) continue;
      this.#grown -= deletedCount;
      if (command.kind === "deleteRange") {
        // Redis knows no other range than everything.
        this.#changed.clear();
        this.#cleared = true;
      } else if (current !== undefined || deletedCount > 0) {
        if (current !== undefined && previous === undefined) this.#grown += 1;
        this.#changed.set(keyText(command.key), current);
      }
    }
  }

  get(key: Uint8Array): KeyValue | undefined {
    const text = keyText(key);
    if (this.#changed.has(text)) return this.#changed.get(text);
    return this.#cleared ? undefined : this.#view.at(key, this.#base);
  }

  /** 0 for a key that has lost its end since. */
  remainingOf(key: Uint8Array, now: number): number | undefined {
    const lease = this.get(key)?.lease;
    return lease === undefined ? undefined : (this.#view.lease(lease, now)?.remaining ?? 0);
  }

  get size(): number {
    this.#baseSize ??= this.#view.size - this.#grownSince(this.#base);
    return this.#baseSize + this.#grown;
  }

  #grownSince(revision: number): number {
    if (this.#view.revision === revision) return 0;
    const { changes } = this.#view.changesSince(revision + 1, EVERYTHING);
    return changes.reduce((sum, { kind, previous }) => {
      if (kind === "delete") return sum - 1;
      return previous === undefined ? sum + 1 : sum;
    }, 0);
  }

  range(from: Uint8Array, end: Uint8Array, countMax: number): RangePage {
    const first = keyText(from);
    const last = keyText(end);
    const inRange = (text: string): boolean => text >= first && (last === "" || text < last);
    const changed = [...this.#changed].filter(([text]) => inRange(text));
    // So many that enough are left when all that changed is taken out: if more follow, what changed
    // beyond them does not come among the first.
    const page = this.#cleared
      ? { keyValues: [], more: false }
      : this.#view.rangeAt(from, end, this.#base, {
          countMax: countMax + changed.length,
          sizeMax: Number.MAX_SAFE_INTEGER,
        });
    const merged = page.keyValues.filter(({ key }) => !this.#changed.has(keyText(key)));
    for (const [, record] of changed) if (record !== undefined) merged.push(record);
    merged.sort((a, b) => Buffer.compare(a.key, b.key));
    return {
      keyValues: merged.slice(0, countMax),
      more: page.more || merged.length > countMax,
    };
  }
}

const EVERYTHING = { countMax: Number.MAX_SAFE_INTEGER, sizeMax: Number.MAX_SAFE_INTEGER };
