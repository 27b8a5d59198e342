/**
 * The keys that changed, gathered in one walk over the history, for many who ask:
 * each for a range of its own, since a revision of its own.
 *
 *   keys    in order, each with the numbers of its changes
 *   newest  a tree over them, of the number of the newest change below each node
 *
 * Who asks is led by the tree to the keys it wants and to no others, so that many
 * questions cost the walk and their answers, not a walk each.
 */
import type { TextRange } from "./compare.js";
import { keyText } from "./key-order.js";
import type { VersionedMap } from "./versioned-map.js";

interface ChangedKey {
  readonly text: string;
  /** of the key among the records */
  readonly place: number;
  /** of its changes, rising */
  readonly numbers: number[];
}

interface Found {
  readonly place: number;
  /** the number of its first change since */
  readonly first: number;
}

export class ChangedKeys {
  readonly #map: VersionedMap;
  readonly #keys: readonly ChangedKey[];
  /** the root is at 1, the children of `n` at 2n and 2n + 1, the first leaf at #width */
  readonly #newest: Float64Array;
  readonly #width: number;

  /** @param isWanted of a key's text: whether anybody will ask for it */
  constructor(map: VersionedMap, revision: number, isWanted: (text: string) => boolean) {
    this.#map = map;
    this.#keys = changedSince(map, revision, isWanted);
    let width = 1;
    while (width < this.#keys.length) width *= 2;
    this.#width = width;
    this.#newest = new Float64Array(2 * width).fill(-1);
    this.#keys.forEach(({ numbers }, i) => {
      this.#newest[width + i] = numbers.at(-1) ?? -1;
    });
    for (let node = width - 1; node > 0; node--) {
      this.#newest[node] = Math.max(this.#newestOf(2 * node), this.#newestOf(2 * node + 1));
    }
  }

  /** The places of those in `range` that changed after `revision`, in the order of their first changes since. */
  within({ from, end }: TextRange, revision: number): readonly number[] {
    const since = this.#map.history.firstAfter(revision);
    const found: Found[] = [];
    const start = this.#firstFrom(from);
    const stop = end === "" ? this.#keys.length : this.#firstFrom(end);
    this.#collect(found, { node: 1, low: 0, width: this.#width }, { start, stop, since });
    return found.toSorted((a, b) => a.first - b.first).map(({ place }) => place);
  }

  #collect(
    found: Found[],
    { node, low, width }: { readonly node: number; readonly low: number; readonly width: number },
    wanted: { readonly start: number; readonly stop: number; readonly since: number },
  ): void {
    if (low >= wanted.stop || low + width <= wanted.start) return;
    if (this.#newestOf(node) < wanted.since) return;
    if (width > 1) {
      const half = width / 2;
      this.#collect(found, { node: 2 * node, low, width: half }, wanted);
      this.#collect(found, { node: 2 * node + 1, low: low + half, width: half }, wanted);
      return;
    }
    const key = this.#keys[low];
    if (key === undefined) return;
    const { place, numbers } = key;
    found.push({ place, first: numbers[lowerBound(numbers, wanted.since)] ?? 0 });
  }

  #newestOf(node: number): number {
    return this.#newest[node] ?? -1;
  }

  /** The first key that is not before `text`. */
  #firstFrom(text: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle]?.text ?? "") < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** In order. */
function changedSince(
  { history, records }: VersionedMap,
  revision: number,
  isWanted: (text: string) => boolean,
): readonly ChangedKey[] {
  const keys = new Map<string, ChangedKey>();
  for (let number = history.firstAfter(revision); number < history.end; number++) {
    const place = records.keyOfVersion(history.versionAt(number));
    const text = keyText(records.viewOfKey(place));
    const known = keys.get(text);
    if (known !== undefined) known.numbers.push(number);
    else if (isWanted(text)) keys.set(text, { text, place, numbers: [number] });
  }
  return [...keys.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

/** The first place of a number that is not below `least`. */
function lowerBound(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
