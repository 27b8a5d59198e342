/**
 * A page of the keys as they were at a revision, for who goes through all of them.
 *
 * Keys in order are anywhere in memory, each a cell that is rarely in the processor's cache, and so is
 * the version that it names. Loads that do not depend on each other are waited for together: so one
 * thing is looked up of many keys before the next one is.
 */
import type { KeyIndex } from "./key-index.js";
import type { Records } from "./records.js";

/** Records of a page at most. */
const PAGE_COUNT = 256;
/** Keys looked at for a page, found or not. */
const PAGE_KEY_COUNT = 1024;

export class KeyPage {
  readonly #records: Records;
  readonly #found = new Uint32Array(PAGE_COUNT);
  readonly #keys = new Uint32Array(PAGE_COUNT);
  readonly #versions = new Uint32Array(PAGE_COUNT);
  readonly #modRevisions = new Float64Array(PAGE_COUNT);
  /** records that were found */
  count = 0;
  /** the last key that was looked at; 0 when there is none behind it */
  lastKey = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The place of a record. */
  at(i: number): number {
    return this.#found[i] ?? 0;
  }

  /**
   * Becomes the page of keys from `from` on.
   * @param live keys in order @param dead more of them
   */
  find(live: KeyIndex, dead: KeyIndex, from: Uint8Array, revision: number): void {
    const records = this.#records;
    const one = live.from(from);
    const other = dead.from(from);
    this.count = 0;
    for (let left = PAGE_KEY_COUNT; left > 0 && this.count < PAGE_COUNT;) {
      const wanted = Math.min(left, PAGE_COUNT - this.count);
      let keyCount = 0;
      for (; keyCount < wanted; keyCount++) {
        const isOne =
          one.key !== 0 && (other.key === 0 || records.compareKeys(one.key, other.key) < 0);
        const cursor = isOne ? one : other;
        if (cursor.key === 0) break;
        this.#keys[keyCount] = cursor.key;
        cursor.advance();
      }
      this.#findRecords(keyCount, revision);
      this.lastKey = keyCount < wanted ? 0 : (this.#keys[keyCount - 1] ?? 0);
      if (keyCount < wanted) return;
      left -= keyCount;
    }
  }

  #findRecords(keyCount: number, revision: number): void {
    const records = this.#records;
    const keys = this.#keys;
    const versions = this.#versions;
    const modRevisions = this.#modRevisions;
    for (let i = 0; i < keyCount; i++) versions[i] = records.newestOf(keys[i] ?? 0);
    for (let i = 0; i < keyCount; i++) modRevisions[i] = records.modRevisionOf(versions[i] ?? 0);
    for (let i = 0; i < keyCount; i++) {
      const isLater = (modRevisions[i] ?? 0) > revision;
      const version = isLater ? records.at(keys[i] ?? 0, revision) : (versions[i] ?? 0);
      if (records.isRecord(version)) this.#found[this.count++] = version;
    }
  }
}
