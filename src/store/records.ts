/**
 * Keys and their versions, as cells of an arena.
 *
 *   key     := newest u32, size of the key and count u32, size and version u32,
 *              createRevision u32, byte*
 *   version := narrow | wide
 *   narrow  := key u32, size and version u32, modRevision u32, older u32,
 *              createRevision u32, byte*
 *   wide    := key u32, size u32, parts u32, older u32, createRevision f64,
 *              modRevision f64, version f64, [lease f64],
 *              [anchor's revision f64, anchor u32, pad u32], byte*
 *
 * `size` is the value's, of 16 bits in a narrow version, whose version has 15 above
 * them; the highest bit of this word says that it is wide. Nearly all are narrow: not
 * what has a lease, an anchor or a number that is too large. A key that is set for the
 * second time needs what it needed for the first: other sizes would be other pages,
 * and those of the first be full of holes.
 *
 * `newest` is the key's current record, or the tombstone of its deletion: a version
 * of number 0 without a value. From there `older` leads back through what the key
 * was. Size, version and createRevision of a key are its newest version's, if that is
 * narrow, so that a put touches nothing of what it supersedes, which is rarely in the
 * processor's cache. `count` is that of the key's versions, modulo ANCHOR_EVERY: every so many
 * there is one with an anchor, the place of the one before it and its modRevision,
 * so that an old version of a key with many is not looked for one by one.
 *
 * A version never changes. It is freed when its successor is compacted: one that is
 * later than the compacted revision is there, and so is its `older`. What an older
 * one names may be gone and its place another's, so that nobody goes on from there;
 * and an anchor is followed only to a version that is later.
 *
 * A view alone goes on, to what it keeps (pin.ts): the version before one that is freed
 * on its way gets its `older`, and no anchor is followed to what may be freed so.
 */
import type { KeyValue } from "./command.js";
import { Arena, unitOf } from "./arena.js";
import { ByteCopy } from "./byte-copy.js";

const KEY_HEAD_SIZE = 16;
const COUNT_BITS = 6;
/** versions from one anchor to the next */
const ANCHOR_EVERY: number = 1 << COUNT_BITS;
const COUNT_MASK: number = ANCHOR_EVERY - 1;

const WIDE = 0x8000_0000;
const NARROW_HEAD_SIZE = 20;
const NARROW_SIZE_BITS = 16;
const NARROW_SIZE_MAX: number = (1 << NARROW_SIZE_BITS) - 1;
const NARROW_VERSION_MAX = 0x7fff;
const NARROW_REVISION_MAX = 0xffff_ffff;

/** Bits of a wide version's parts. */
const HAS_LEASE = 1;
const HAS_ANCHOR = 2;
const WIDE_HEAD_SIZE = 40;
const LEASE_SIZE = 8;
const ANCHOR_SIZE = 16;
/** units from a wide version's begin */
const LEASE_UNIT = 5;

export class Records {
  readonly arena: Arena = new Arena();
  readonly #copy = new ByteCopy();
  /** Versions up to it lead nowhere. */
  compactedRevision = 0;
  /** A view keeps versions up to it; 0 without one. */
  pinnedRevision = 0;

  // ---- keys ----------------------------------------------------------------

  /** A key without a version. */
  addKey(bytes: Uint8Array, start: number, size: number): number {
    const key = this.arena.allocate(KEY_HEAD_SIZE + size);
    const page = this.arena.page(key);
    const unit = unitOf(key);
    const { words } = page;
    const word = unit << 1;
    words[word] = 0;
    words[word + 1] = (size << COUNT_BITS) >>> 0;
    words[word + 2] = 0;
    words[word + 3] = 0;
    this.#copy.intoCell(page, (unit << 1) + KEY_HEAD_SIZE / 4, bytes, start, size);
    return key;
  }

  newestOf(key: number): number {
    return this.arena.page(key).words[unitOf(key) << 1] ?? 0;
  }

  /** Makes what was, or is to be, the key's newest version its newest. */
  setNewest(key: number, version: number): void {
    const { words } = this.arena.page(key);
    const word = unitOf(key) << 1;
    const newest = this.arena.page(version).words;
    const newestWord = unitOf(version) << 1;
    words[word] = version;
    // Of a wide one the first says so, and nobody looks at the other; where nothing is, 0 stands.
    words[word + 2] = newest[newestWord + 1] ?? 0;
    words[word + 3] = newest[newestWord + 4] ?? 0;
  }

  /** Bytes of the value of a key's newest version, if that is narrow. */
  newestSizeOf(key: number): number {
    return (this.arena.page(key).words[(unitOf(key) << 1) + 2] ?? 0) & NARROW_SIZE_MAX;
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

  /**
   * As `compareKey`, of the key's first `prefix` bytes, which it has, and as many of the others.
   * @param same so many are known to be the same
   */
  comparePrefix(
    key: number,
    same: number,
    prefix: number,
    bytes: Uint8Array,
    start: number,
    size: number,
  ): number {
    const own = this.arena.page(key).bytes;
    const first = (unitOf(key) << 3) + KEY_HEAD_SIZE;
    const common = prefix < size ? prefix : size;
    for (let i = same; i < common; i++) {
      const difference = (own[first + i] ?? 0) - (bytes[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return prefix - common;
  }

  /** How many bytes two keys both begin with, counted up to `most`. */
  commonSizeOf(left: number, right: number, most: number): number {
    const own = this.arena.page(left).bytes;
    const other = this.arena.page(right).bytes;
    const ownFirst = (unitOf(left) << 3) + KEY_HEAD_SIZE;
    const otherFirst = (unitOf(right) << 3) + KEY_HEAD_SIZE;
    const end = Math.min(this.keySizeOf(left), this.keySizeOf(right), most);
    let size = 0;
    while (size < end && own[ownFirst + size] === other[otherFirst + size]) size += 1;
    return size;
  }

  /** The hint of what stands in a key behind its first `skipped` bytes, which it has. */
  hintOfKey(key: number, skipped: number): number {
    const page = this.arena.page(key);
    const unit = unitOf(key);
    const size = (page.words[(unit << 1) + 1] ?? 0) >>> COUNT_BITS;
    return hintOf(page.bytes, (unit << 3) + KEY_HEAD_SIZE + skipped, size - skipped);
  }

  /** Where the bytes of a key begin in its page. */
  keyStartOf(key: number): number {
    return (unitOf(key) << 3) + KEY_HEAD_SIZE;
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

  copyKey(key: number, target: Uint8Array, at: number): void {
    const page = this.arena.page(key);
    const word = (unitOf(key) << 1) + KEY_HEAD_SIZE / 4;
    this.#copy.outOfCell(page, word, this.keySizeOf(key), target, at);
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
    const isTurn = replaced === 0 ? this.#count(key, 1) === 0 : this.#hasAnchor(replaced);
    const isAnchor = isTurn && older !== 0;
    const isNarrow =
      lease === 0 &&
      !isAnchor &&
      size <= NARROW_SIZE_MAX &&
      version <= NARROW_VERSION_MAX &&
      modRevision <= NARROW_REVISION_MAX;
    if (isNarrow) {
      const sizeAndVersion = size | (version << NARROW_SIZE_BITS);
      const place = this.#addCell(key, sizeAndVersion, NARROW_HEAD_SIZE, bytes, start, size);
      const { words } = this.arena.page(place);
      const word = unitOf(place) << 1;
      words[word + 2] = modRevision;
      words[word + 3] = older;
      words[word + 4] = createRevision;
      return place;
    }
    const parts = (lease === 0 ? 0 : HAS_LEASE) | (isAnchor ? HAS_ANCHOR : 0);
    const place = this.#addCell(
      key,
      (size | WIDE) >>> 0,
      wideHeadSizeOf(parts),
      bytes,
      start,
      size,
    );
    const { words, doubles } = this.arena.page(place);
    const unit = unitOf(place);
    words[(unit << 1) + 2] = parts;
    words[(unit << 1) + 3] = older;
    doubles[unit + 2] = createRevision;
    doubles[unit + 3] = modRevision;
    doubles[unit + 4] = version;
    if (lease !== 0) doubles[unit + LEASE_UNIT] = lease;
    if (isAnchor) this.#setAnchor(place, parts);
    return place;
  }

  /**
   * Makes a record the newest of a key that has none yet, or whose newest is a record: what `addVersion`
   * and `setNewest` do, each cell touched once, as long as both are narrow, which is nearly always so.
   *
   * @returns the record, or 0 when it is not so: then nothing was done
   */
  tryPut(key: number, revision: number, bytes: Uint8Array, start: number, size: number): number {
    const before = this.arena.page(key).words;
    const keyWord = unitOf(key) << 1;
    const sizeWord = before[keyWord + 2] ?? 0;
    const newest = before[keyWord] ?? 0;
    // Neither a tombstone nor wide, nor the last version that is narrow.
    if (sizeWord <= NARROW_SIZE_MAX && newest !== 0) return 0;
    if (sizeWord >= NARROW_VERSION_MAX << NARROW_SIZE_BITS) return 0;
    if (size > NARROW_SIZE_MAX || revision > NARROW_REVISION_MAX) return 0;
    const sizeAndCount = before[keyWord + 1] ?? 0;
    const isTurn = (sizeAndCount & COUNT_MASK) === COUNT_MASK;
    if (isTurn) return 0;
    const sizeAndVersion = size | ((sizeWord & ~NARROW_SIZE_MAX) + (1 << NARROW_SIZE_BITS));
    const createRevision = newest === 0 ? revision : (before[keyWord + 3] ?? 0);
    const place = this.arena.allocate(NARROW_HEAD_SIZE + size);
    const page = this.arena.page(place);
    const { words } = page;
    const word = unitOf(place) << 1;
    words[word] = key;
    words[word + 1] = sizeAndVersion;
    words[word + 2] = revision;
    words[word + 3] = newest;
    words[word + 4] = createRevision;
    this.#copy.intoCell(page, word + NARROW_HEAD_SIZE / 4, bytes, start, size);
    // Its page's memory may be another now.
    const keyWords = this.arena.page(key).words;
    keyWords[keyWord] = place;
    keyWords[keyWord + 1] = sizeAndCount + 1;
    keyWords[keyWord + 2] = sizeAndVersion;
    keyWords[keyWord + 3] = createRevision;
    return place;
  }

  /** The cell of a version with what both kinds have. */
  #addCell(
    key: number,
    sizeWord: number,
    headSize: number,
    bytes: Uint8Array,
    start: number,
    size: number,
  ): number {
    const place = this.arena.allocate(headSize + size);
    const page = this.arena.page(place);
    const unit = unitOf(place);
    page.words[unit << 1] = key;
    page.words[(unit << 1) + 1] = sizeWord;
    this.#copy.intoCell(page, (unit << 1) + headSize / 4, bytes, start, size);
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

  #setAnchor(place: number, parts: number): void {
    const { words, doubles } = this.arena.page(place);
    let anchor = this.olderOf(place);
    while (anchor !== 0 && !this.#hasAnchor(anchor)) {
      const isLast = this.modRevisionOf(anchor) <= this.compactedRevision;
      anchor = isLast ? 0 : this.olderOf(anchor);
    }
    const unit = unitOf(place) + anchorUnitOf(parts);
    doubles[unit] = anchor === 0 ? 0 : this.modRevisionOf(anchor);
    words[(unit << 1) + 2] = anchor;
  }

  /** What a version's second word says: size, and that it is wide or what its version is. */
  #sizeWordOf(version: number): number {
    return this.arena.page(version).words[(unitOf(version) << 1) + 1] ?? 0;
  }

  /** 0 when it is not wide */
  #partsOf(version: number): number {
    const { words } = this.arena.page(version);
    const word = unitOf(version) << 1;
    return (words[word + 1] ?? 0) < WIDE ? 0 : (words[word + 2] ?? 0);
  }

  #hasAnchor(version: number): boolean {
    return (this.#partsOf(version) & HAS_ANCHOR) !== 0;
  }

  createRevisionOf(version: number): number {
    const { words, doubles } = this.arena.page(version);
    const unit = unitOf(version);
    if ((words[(unit << 1) + 1] ?? 0) >= WIDE) return doubles[unit + 2] ?? 0;
    return words[(unit << 1) + 4] ?? 0;
  }

  modRevisionOf(version: number): number {
    const { words, doubles } = this.arena.page(version);
    const unit = unitOf(version);
    if ((words[(unit << 1) + 1] ?? 0) >= WIDE) return doubles[unit + 3] ?? 0;
    return words[(unit << 1) + 2] ?? 0;
  }

  /** 0 for a tombstone. */
  versionOf(version: number): number {
    const { words, doubles } = this.arena.page(version);
    const unit = unitOf(version);
    const sizeWord = words[(unit << 1) + 1] ?? 0;
    return sizeWord >= WIDE ? (doubles[unit + 4] ?? 0) : sizeWord >>> NARROW_SIZE_BITS;
  }

  isTombstone(version: number): boolean {
    return this.versionOf(version) === 0;
  }

  /** Whether it is a record: neither nothing nor a tombstone. */
  isRecord(version: number): boolean {
    return version !== 0 && this.versionOf(version) !== 0;
  }

  olderOf(version: number): number {
    return this.arena.page(version).words[(unitOf(version) << 1) + 3] ?? 0;
  }

  /** What was between the two is freed. */
  setOlder(version: number, older: number): void {
    this.arena.page(version).words[(unitOf(version) << 1) + 3] = older;
  }

  keyOfVersion(version: number): number {
    return this.arena.page(version).words[unitOf(version) << 1] ?? 0;
  }

  valueSizeOf(version: number): number {
    const sizeWord = this.#sizeWordOf(version);
    return sizeWord >= WIDE ? sizeWord - WIDE : sizeWord & NARROW_SIZE_MAX;
  }

  /** 0 for none */
  leaseOf(version: number): number {
    if ((this.#partsOf(version) & HAS_LEASE) === 0) return 0;
    return this.arena.page(version).doubles[unitOf(version) + LEASE_UNIT] ?? 0;
  }

  #headSizeOf(version: number): number {
    const isWide = this.#sizeWordOf(version) >= WIDE;
    return isWide ? wideHeadSizeOf(this.#partsOf(version)) : NARROW_HEAD_SIZE;
  }

  copyValue(version: number, target: Uint8Array, at: number): void {
    const word = (unitOf(version) << 1) + this.#headSizeOf(version) / 4;
    this.#copy.outOfCell(this.arena.page(version), word, this.valueSizeOf(version), target, at);
  }

  /** Its bytes where they are: until the version is freed. */
  viewOfValue(version: number): Uint8Array {
    const start = (unitOf(version) << 3) + this.#headSizeOf(version);
    const { buffer } = this.arena.page(version).bytes;
    return new Uint8Array(buffer, start, this.valueSizeOf(version));
  }

  /** Bytes that nobody changes ever: a copy, or the large value itself. */
  valueOf(version: number): Uint8Array {
    const view = this.viewOfValue(version);
    return Arena.isAlone(this.#headSizeOf(version) + view.length) ? view : view.slice();
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
    return lease === 0 ? record : { lease, ...record };
  }

  /**
   * The newest version up to `revision`, which is not compacted or which a view keeps, a tombstone perhaps.
   * @returns 0 when the key was not there yet, or nothing is known
   */
  at(key: number, revision: number): number {
    let version = this.newestOf(key);
    while (version !== 0 && this.modRevisionOf(version) > revision) {
      const parts = this.#partsOf(version);
      const { words, doubles } = this.arena.page(version);
      const anchor = unitOf(version) + anchorUnitOf(parts);
      const skipped = (parts & HAS_ANCHOR) === 0 ? 0 : (doubles[anchor] ?? 0);
      const isThere = skipped > this.compactedRevision || skipped <= this.pinnedRevision;
      version =
        skipped > revision && isThere ? (words[(anchor << 1) + 2] ?? 0) : this.olderOf(version);
    }
    return version;
  }
}

/** The first four bytes as a number that has their order: the first one highest, zeros behind the end. */
export function hintOf(bytes: Uint8Array, start: number, size: number): number {
  let hint = 0;
  for (let i = 0; i < 4; i++) hint = (hint << 8) | (i < size ? (bytes[start + i] ?? 0) : 0);
  return hint >>> 0;
}

function wideHeadSizeOf(parts: number): number {
  return (
    WIDE_HEAD_SIZE +
    ((parts & HAS_LEASE) === 0 ? 0 : LEASE_SIZE) +
    ((parts & HAS_ANCHOR) === 0 ? 0 : ANCHOR_SIZE)
  );
}

/** Units from a wide version's begin to its anchor. */
function anchorUnitOf(parts: number): number {
  return (parts & HAS_LEASE) === 0 ? LEASE_UNIT : LEASE_UNIT + 1;
}
