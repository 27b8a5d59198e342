/**
 * Keys and their versions, as cells of an arena.
 *
 *   key     := newest u32, size of the key and count u32, byte*
 *   version := createRevision f64, modRevision f64, version f64, older u32, key u32,
 *              size of the value and flags u32, [pad u32], [lease f64],
 *              [anchor's revision f64, anchor u32, pad u32], byte*
 *
 * `newest` is the key's current record, or the tombstone of its deletion: a version
 * of number 0 without a value. From there `older` leads back through what the key
 * was. `count` is that of the key's versions, modulo ANCHOR_EVERY: every so many
 * there is one with an anchor, the place of the one before it and its modRevision,
 * so that an old version of a key with many is not looked for one by one.
 *
 * A version never changes. It is freed when its successor is compacted: one that is
 * later than the compacted revision is there, and so is its `older`. What an older
 * one names may be gone and its place another's, so that nobody goes on from there;
 * and an anchor is followed only to a version that is later.
 */
import type { KeyValue } from "./command.js";
import { Arena, unitOf } from "./arena.js";
import { ByteCopy } from "./byte-copy.js";

const KEY_HEAD_SIZE = 8;
const VERSION_HEAD_SIZE = 36;
const VERSION_LONG_HEAD_SIZE = 40;
const LEASE_SIZE = 8;
const ANCHOR_SIZE = 16;
const COUNT_BITS = 6;
/** versions from one anchor to the next */
const ANCHOR_EVERY: number = 1 << COUNT_BITS;
const COUNT_MASK: number = ANCHOR_EVERY - 1;

const HAS_LEASE = 0x8000_0000;
const HAS_ANCHOR = 0x4000_0000;
const VALUE_SIZE_MASK = 0x3fff_ffff;

export class Records {
  readonly arena: Arena = new Arena();
  readonly #copy = new ByteCopy();
  /** Versions up to it lead nowhere. */
  compactedRevision = 0;

  // ---- keys ----------------------------------------------------------------

  /** A key without a version. */
  addKey(bytes: Uint8Array, start: number, size: number): number {
    const key = this.arena.allocate(KEY_HEAD_SIZE + size);
    const page = this.arena.page(key);
    const unit = unitOf(key);
    page.words[unit << 1] = 0;
    page.words[(unit << 1) + 1] = (size << COUNT_BITS) >>> 0;
    this.#copy.into(page, (unit << 3) + KEY_HEAD_SIZE, bytes, start, size);
    return key;
  }

  newestOf(key: number): number {
    return this.arena.page(key).words[unitOf(key) << 1] ?? 0;
  }

  /** Makes what was, or is to be, the key's newest version its newest. */
  setNewest(key: number, version: number): void {
    this.arena.page(key).words[unitOf(key) << 1] = version;
  }

  keySizeOf(key: number): number {
    return (this.arena.page(key).words[(unitOf(key) << 1) + 1] ?? 0) >>> COUNT_BITS;
  }

  isKey(key: number, bytes: Uint8Array, start: number, size: number): boolean {
    const page = this.arena.page(key);
    const unit = unitOf(key);
    if ((page.words[(unit << 1) + 1] ?? 0) >>> COUNT_BITS !== size) return false;
    const own = page.bytes;
    const first = (unit << 3) + KEY_HEAD_SIZE;
    for (let i = 0; i < size; i++) if (own[first + i] !== bytes[start + i]) return false;
    return true;
  }

  /** Negative when the key is before the bytes, 0 when it is the same, positive behind them. */
  compareKey(key: number, bytes: Uint8Array, start: number, size: number): number {
    const page = this.arena.page(key);
    const unit = unitOf(key);
    const ownSize = (page.words[(unit << 1) + 1] ?? 0) >>> COUNT_BITS;
    const own = page.bytes;
    const first = (unit << 3) + KEY_HEAD_SIZE;
    const common = ownSize < size ? ownSize : size;
    for (let i = 0; i < common; i++) {
      const difference = (own[first + i] ?? 0) - (bytes[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return ownSize - size;
  }

  compareKeys(left: number, right: number): number {
    const page = this.arena.page(right);
    const unit = unitOf(right);
    const size = (page.words[(unit << 1) + 1] ?? 0) >>> COUNT_BITS;
    return this.compareKey(left, page.bytes, (unit << 3) + KEY_HEAD_SIZE, size);
  }

  /** A copy. */
  keyOf(key: number): Uint8Array {
    return this.viewOfKey(key).slice();
  }

  /** Its bytes where they are: until the key is freed. */
  viewOfKey(key: number): Uint8Array {
    const page = this.arena.page(key);
    const unit = unitOf(key);
    const size = (page.words[(unit << 1) + 1] ?? 0) >>> COUNT_BITS;
    return new Uint8Array(page.bytes.buffer, (unit << 3) + KEY_HEAD_SIZE, size);
  }

  // ---- versions --------------------------------------------------------------

  /**
   * A version of a key over `older`; it is not the newest before `setNewest`.
   *
   * @param replaced a version over the same `older` whose place it takes; 0 when it is the key's next
   * @param lease 0 for none
   */
  addVersion(
    key: number,
    older: number,
    replaced: number,
    createRevision: number,
    modRevision: number,
    version: number,
    lease: number,
    bytes: Uint8Array,
    start: number,
    size: number,
  ): number {
    const isTurn =
      replaced === 0 ? this.#count(key, 1) === 0 : (this.#flagsOf(replaced) & HAS_ANCHOR) !== 0;
    const isAnchor = isTurn && older !== 0;
    let headSize = VERSION_HEAD_SIZE;
    if (lease !== 0 || isAnchor) {
      headSize =
        VERSION_LONG_HEAD_SIZE + (lease === 0 ? 0 : LEASE_SIZE) + (isAnchor ? ANCHOR_SIZE : 0);
    }
    const place = this.arena.allocate(headSize + size);
    const page = this.arena.page(place);
    const { words, doubles } = page;
    const unit = unitOf(place);
    doubles[unit] = createRevision;
    doubles[unit + 1] = modRevision;
    doubles[unit + 2] = version;
    const word = (unit << 1) + 6;
    words[word] = older;
    words[word + 1] = key;
    words[word + 2] = size;
    if (lease !== 0) {
      words[word + 2] = (size | HAS_LEASE) >>> 0;
      doubles[unit + 5] = lease;
    }
    this.#copy.into(page, (unit << 3) + headSize, bytes, start, size);
    if (isAnchor) this.#setAnchor(place, lease === 0 ? 5 : 6);
    return place;
  }

  /** Counts one version more or less. */
  #count(key: number, step: number): number {
    const { words } = this.arena.page(key);
    const word = (unitOf(key) << 1) + 1;
    const before = words[word] ?? 0;
    const count = (before + step) & COUNT_MASK;
    words[word] = ((before & ~COUNT_MASK) | count) >>> 0;
    return count;
  }

  /** The key's newest version is taken back. */
  uncount(key: number): void {
    this.#count(key, -1);
  }

  #setAnchor(place: number, offset: number): void {
    const { words, doubles } = this.arena.page(place);
    const unit = unitOf(place);
    let anchor = this.olderOf(place);
    while (anchor !== 0 && (this.#flagsOf(anchor) & HAS_ANCHOR) === 0) {
      const isLast = this.modRevisionOf(anchor) <= this.compactedRevision;
      anchor = isLast ? 0 : this.olderOf(anchor);
    }
    const word = unit << 1;
    words[word + 8] = ((words[word + 8] ?? 0) | HAS_ANCHOR) >>> 0;
    doubles[unit + offset] = anchor === 0 ? 0 : this.modRevisionOf(anchor);
    words[word + 2 * offset + 2] = anchor;
  }

  #flagsOf(version: number): number {
    return this.arena.page(version).words[(unitOf(version) << 1) + 8] ?? 0;
  }

  createRevisionOf(version: number): number {
    return this.arena.page(version).doubles[unitOf(version)] ?? 0;
  }

  modRevisionOf(version: number): number {
    return this.arena.page(version).doubles[unitOf(version) + 1] ?? 0;
  }

  /** 0 for a tombstone. */
  versionOf(version: number): number {
    return this.arena.page(version).doubles[unitOf(version) + 2] ?? 0;
  }

  isTombstone(version: number): boolean {
    return this.versionOf(version) === 0;
  }

  /** Whether it is a record: neither nothing nor a tombstone. */
  isRecord(version: number): boolean {
    return version !== 0 && this.versionOf(version) !== 0;
  }

  olderOf(version: number): number {
    return this.arena.page(version).words[(unitOf(version) << 1) + 6] ?? 0;
  }

  keyOfVersion(version: number): number {
    return this.arena.page(version).words[(unitOf(version) << 1) + 7] ?? 0;
  }

  valueSizeOf(version: number): number {
    return this.#flagsOf(version) & VALUE_SIZE_MASK;
  }

  /** 0 for none */
  leaseOf(version: number): number {
    if ((this.#flagsOf(version) & HAS_LEASE) === 0) return 0;
    return this.arena.page(version).doubles[unitOf(version) + 5] ?? 0;
  }

  copyValue(version: number, target: Uint8Array, at: number): void {
    const flags = this.#flagsOf(version);
    const start = (unitOf(version) << 3) + headSizeOf(flags);
    this.#copy.outOf(this.arena.page(version), start, flags & VALUE_SIZE_MASK, target, at);
  }

  /** Its bytes where they are: until the version is freed. */
  viewOfValue(version: number): Uint8Array {
    const flags = this.#flagsOf(version);
    const start = (unitOf(version) << 3) + headSizeOf(flags);
    const { buffer } = this.arena.page(version).bytes;
    return new Uint8Array(buffer, start, flags & VALUE_SIZE_MASK);
  }

  /** Bytes that nobody changes ever: a copy, or the large value itself. */
  valueOf(version: number): Uint8Array {
    const flags = this.#flagsOf(version);
    const view = this.viewOfValue(version);
    return Arena.isAlone(headSizeOf(flags) + view.length) ? view : view.slice();
  }

  /**
   * The record as a value of its own.
   * @param key a copy of the key's bytes
   */
  keyValueOf(version: number, key: Uint8Array = this.keyOf(this.keyOfVersion(version))): KeyValue {
    const record = {
      key,
      value: this.valueOf(version),
      createRevision: this.createRevisionOf(version),
      modRevision: this.modRevisionOf(version),
      version: this.versionOf(version),
    };
    const lease = this.leaseOf(version);
    return lease === 0 ? record : { ...record, lease };
  }

  /**
   * The newest version up to `revision`, which is not compacted, a tombstone perhaps.
   * @returns 0 when the key was not there yet, or nothing is known
   */
  at(key: number, revision: number): number {
    let version = this.newestOf(key);
    while (version !== 0) {
      const { words, doubles } = this.arena.page(version);
      const unit = unitOf(version);
      if ((doubles[unit + 1] ?? 0) <= revision) break;
      const flags = words[(unit << 1) + 8] ?? 0;
      const anchor = unit + ((flags & HAS_LEASE) === 0 ? 5 : 6);
      version =
        (flags & HAS_ANCHOR) !== 0 && (doubles[anchor] ?? 0) > revision
          ? (words[(anchor << 1) + 2] ?? 0)
          : (words[(unit << 1) + 6] ?? 0);
    }
    return version;
  }
}

function headSizeOf(flags: number): number {
  if ((flags & ~VALUE_SIZE_MASK) === 0) return VERSION_HEAD_SIZE;
  return (
    VERSION_LONG_HEAD_SIZE +
    ((flags & HAS_LEASE) === 0 ? 0 : LEASE_SIZE) +
    ((flags & HAS_ANCHOR) === 0 ? 0 : ANCHOR_SIZE)
  );
}
