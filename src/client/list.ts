/**
 * A listing: pages read one behind another, handed out key by key. No more than a
 * page is held, however long the listing.
 */
import type { KeyRecord, Range } from "../operations.js";
import { keyAfter, type KeyRange, limitOf, PAGE_COUNT_MAX, rangeOf } from "./request.js";

export interface Page {
  readonly records: readonly KeyRecord[];
  /** whether keys beyond the last one follow in the range */
  readonly more: boolean;
  /** where the next page begins, when that is not behind the last record */
  readonly nextFrom?: Uint8Array;
}

/** @param readPage at least one key when there is one, or `nextFrom`; at most `countMax` */
export async function* listPages(
  range: Range,
  limit: number | undefined,
  readPage: (range: KeyRange, countMax: number) => Promise<Page>,
): AsyncGenerator<KeyRecord, void, undefined> {
  let left = limitOf(limit);
  let { from } = rangeOf(range);
  const { end } = rangeOf(range);
  while (left > 0) {
    const page = await readPage({ from, end }, Math.min(left, PAGE_COUNT_MAX));
    for (const record of page.records) {
      if (left === 0) return;
      yield record;
      left -= 1;
    }
    const last = page.records.at(-1);
    if (!page.more) return;
    if (page.nextFrom !== undefined) from = page.nextFrom;
    else if (last === undefined) return;
    else from = keyAfter(last.key);
  }
}
