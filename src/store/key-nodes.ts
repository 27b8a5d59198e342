/**
 * The nodes of an index of keys (key-index.ts): cells of the arena with keys in their
 * order, and of each key a hint that tells it from most others untouched.
 *
 *   leaf   := head, key u32 * LEAF_MAX, hint u16 * LEAF_MAX
 *   branch := head, child u32 * BRANCH_MAX, first key below it u32 * BRANCH_MAX,
 *             hint u32 * BRANCH_MAX
 *   head   := count u16, prefix u16, next leaf u32 (0: last)
 *
 * `prefix` is a number of bytes that all keys of the node begin with; not always the
 * greatest. A hint is what follows them, two bytes or four, the first one highest,
 * zeros behind a key's end: of two keys the later has no smaller hint, and where
 * the hints are the same the keys are compared.
 *
 * A node whose prefix is not known has no hints either: it gets them when somebody
 * looks for a key in it. Keys that only come in order pay nothing for them.
 */
import { unitOf } from "./arena.js";
import { hintOf, type Records } from "./records.js";

export const LEAF_MAX = 84;
export const BRANCH_MAX = 42;
const NODE_SIZE = 512;
/** words from a node's begin */
const NEXT = 1;
const HEAD = 2;
const FIRST_KEYS: number = HEAD + BRANCH_MAX;
const BRANCH_HINTS: number = FIRST_KEYS + BRANCH_MAX;
/** bytes from a leaf's begin */
const LEAF_HINTS: number = 4 * (HEAD + LEAF_MAX);
const COUNT_MASK = 0xffff;
const PREFIX_SHIFT = 16;
const UNKNOWN = 0xffff;
const PREFIX_MAX: number = UNKNOWN - 1;
/** So few are moved one by one: the engine's own way has its price. */
const FEW = 24;

export class KeyNodes {
  readonly #records: Records;
  /** While somebody goes down: how many bytes are known to be those of the node's first key. */
  #sharedSize = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** A node without keys. */
  make(): number {
    const node = this.#records.arena.allocate(NODE_SIZE);
    this.#setHead(node, 0, UNKNOWN);
    this.#set(node, NEXT, 0);
    return node;
  }

  free(node: number): void {
    this.#records.arena.free(node);
  }

  #get(node: number, word: number): number {
    return this.#records.arena.page(node).words[(unitOf(node) << 1) + word] ?? 0;
  }

  #set(node: number, word: number, value: number): void {
    this.#records.arena.page(node).words[(unitOf(node) << 1) + word] = value;
  }

  countOf(node: number): number {
    return this.#get(node, 0) & COUNT_MASK;
  }

  #setHead(node: number, count: number, prefix: number): void {
    this.#set(node, 0, (count | (prefix << PREFIX_SHIFT)) >>> 0);
  }

  nextOf(leaf: number): number {
    return this.#get(leaf, NEXT);
  }

  setNext(leaf: number, next: number): void {
    this.#set(leaf, NEXT, next);
  }

  /** 0 behind the last */
  keyAt(node: number, isLeaf: boolean, place: number): number {
    const { words } = this.#records.arena.page(node);
    const first = unitOf(node) << 1;
    if (place >= ((words[first] ?? 0) & COUNT_MASK)) return 0;
    return words[first + (isLeaf ? HEAD : FIRST_KEYS) + place] ?? 0;
  }

  childAt(branch: number, place: number): number {
    return this.#get(branch, HEAD + place);
  }

  // ---- finding -------------------------------------------------------------

  /** What follows is a way down from the root. */
  beginWay(): void {
    this.#sharedSize = 0;
  }

  /** The place of the last child that does not begin behind the bytes; 0 when all do. */
  placeOfChild(branch: number, bytes: Uint8Array, start: number, size: number): number {
    const records = this.#records;
    const { words } = records.arena.page(branch);
    const first = unitOf(branch) << 1;
    const prefix = this.#prefixOf(branch, false);
    const count = (words[first] ?? 0) & COUNT_MASK;
    const order = this.#comparePrefix(words[first + FIRST_KEYS] ?? 0, prefix, bytes, start, size);
    if (order !== 0) {
      this.#sharedSize = 0;
      return order < 0 ? count - 1 : 0;
    }
    const wanted = hintOf(bytes, start + prefix, size - prefix);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const hint = words[first + BRANCH_HINTS + middle] ?? 0;
      const isBehind =
        hint === wanted
          ? records.compareKey(words[first + FIRST_KEYS + middle] ?? 0, bytes, start, size) > 0
          : hint > wanted;
      if (isBehind) high = middle;
      else low = middle + 1;
    }
    const place = low === 0 ? 0 : low - 1;
    // What the hints have in common, the keys have too.
    const differing = wanted ^ (words[first + BRANCH_HINTS + place] ?? 0);
    this.#sharedSize = Math.min(prefix + (Math.clz32(differing) >>> 3), size);
    return place;
  }

  /** The place of a leaf's first key that is not before the bytes; perhaps behind the last. */
  placeOfKey(leaf: number, bytes: Uint8Array, start: number, size: number): number {
    const records = this.#records;
    const { words, view } = records.arena.page(leaf);
    const first = unitOf(leaf) << 1;
    const prefix = this.#prefixOf(leaf, true);
    const count = (words[first] ?? 0) & COUNT_MASK;
    const order = this.#comparePrefix(words[first + HEAD] ?? 0, prefix, bytes, start, size);
    if (order !== 0) return order < 0 ? count : 0;
    const wanted = hintOf(bytes, start + prefix, size - prefix) >>> 16;
    const hints = (first << 2) + LEAF_HINTS;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const hint = view.getUint16(hints + (middle << 1), true);
      const isBefore =
        hint === wanted
          ? records.compareKey(words[first + HEAD + middle] ?? 0, bytes, start, size) < 0
          : hint < wanted;
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The order of a node's prefix, which its first key has, and of the bytes. */
  #comparePrefix(
    firstKey: number,
    prefix: number,
    bytes: Uint8Array,
    start: number,
    size: number,
  ): number {
    const shared = this.#sharedSize;
    if (shared >= prefix) return 0;
    return this.#records.comparePrefix(firstKey, shared, prefix, bytes, start, size);
  }

  /** Makes the hints where there are none. */
  #prefixOf(node: number, isLeaf: boolean): number {
    const head = this.#get(node, 0);
    const prefix = head >>> PREFIX_SHIFT;
    if (prefix !== UNKNOWN) return prefix;
    const count = head & COUNT_MASK;
    const known = count === 0 ? 0 : this.#commonSizeOf(node, isLeaf, count);
    this.#setHead(node, count, known);
    for (let place = 0; place < count; place++) {
      this.#setHint(node, isLeaf, place, this.keyAt(node, isLeaf, place), known);
    }
    return known;
  }

  /** What the first and the last key begin with, so do those between them. */
  #commonSizeOf(node: number, isLeaf: boolean, count: number): number {
    const last = this.keyAt(node, isLeaf, count - 1);
    return this.#records.commonSizeOf(this.keyAt(node, isLeaf, 0), last, PREFIX_MAX);
  }

  #setHint(node: number, isLeaf: boolean, place: number, key: number, prefix: number): void {
    const { words, view } = this.#records.arena.page(node);
    const hint = this.#records.hintOfKey(key, prefix);
    if (isLeaf) view.setUint16((unitOf(node) << 3) + LEAF_HINTS + 2 * place, hint >>> 16, true);
    else words[(unitOf(node) << 1) + BRANCH_HINTS + place] = hint;
  }

  // ---- changing ------------------------------------------------------------

  /** @param child what is below the key, in a branch */
  insert(node: number, isLeaf: boolean, place: number, key: number, child = 0): void {
    const { words } = this.#records.arena.page(node);
    const first = unitOf(node) << 1;
    const head = words[first] ?? 0;
    const count = head & COUNT_MASK;
    if (place < count) this.#shift(node, isLeaf, place, count, 1);
    if (!isLeaf) words[first + HEAD + place] = child;
    words[first] = head + 1;
    this.setKey(node, isLeaf, place, key);
  }

  remove(node: number, isLeaf: boolean, place: number): void {
    const { words } = this.#records.arena.page(node);
    const first = unitOf(node) << 1;
    const head = words[first] ?? 0;
    this.#shift(node, isLeaf, place + 1, head & COUNT_MASK, -1);
    words[first] = head - 1;
  }

  /** Moves what stands at the places from `from` to `end` by one. */
  #shift(node: number, isLeaf: boolean, from: number, end: number, by: 1 | -1): void {
    const { words, bytes, view } = this.#records.arena.page(node);
    const first = unitOf(node) << 1;
    if (!isLeaf) {
      for (let base = HEAD; base <= BRANCH_HINTS; base += BRANCH_MAX) {
        words.copyWithin(first + base + from + by, first + base + from, first + base + end);
      }
      return;
    }
    const keys = first + HEAD;
    const hints = (first << 2) + LEAF_HINTS;
    if (by === 1 && end - from <= FEW) {
      for (let i = end - 1; i >= from; i--) {
        words[keys + i + 1] = words[keys + i] ?? 0;
        view.setUint16(hints + 2 * i + 2, view.getUint16(hints + 2 * i, true), true);
      }
      return;
    }
    words.copyWithin(keys + from + by, keys + from, keys + end);
    bytes.copyWithin(hints + 2 * (from + by), hints + 2 * from, hints + 2 * end);
  }

  /** Another key stands at a place, between the same neighbours. */
  setKey(node: number, isLeaf: boolean, place: number, key: number): void {
    const { words } = this.#records.arena.page(node);
    const first = unitOf(node) << 1;
    const keys = first + (isLeaf ? HEAD : FIRST_KEYS);
    const head = words[first] ?? 0;
    const prefix = head >>> PREFIX_SHIFT;
    words[keys + place] = key;
    if (prefix === UNKNOWN) return;
    const count = head & COUNT_MASK;
    // Of all others one is enough: they share it already.
    const other = words[keys + (place === 0 ? 1 : 0)] ?? 0;
    const isShared = count > 1 && this.#records.commonSizeOf(key, other, prefix) === prefix;
    if (isShared) this.#setHint(node, isLeaf, place, key, prefix);
    else this.#setHead(node, count, UNKNOWN);
  }

  /** Moves the keys of a node from a place on behind those of another, which come before them. */
  move(from: number, isLeaf: boolean, place: number, to: number): void {
    const source = this.#records.arena.page(from);
    const target = this.#records.arena.page(to);
    const head = source.words[unitOf(from) << 1] ?? 0;
    const prefix = head >>> PREFIX_SHIFT;
    const count = head & COUNT_MASK;
    const toCount = this.countOf(to);
    const begin = (unitOf(from) << 1) + place;
    const end = (unitOf(to) << 1) + toCount;
    for (let base = HEAD; base <= (isLeaf ? HEAD : BRANCH_HINTS); base += BRANCH_MAX) {
      const moved = source.words.subarray(begin + base, begin + base + count - place);
      target.words.set(moved, end + base);
    }
    if (isLeaf) {
      const hints = (unitOf(from) << 3) + LEAF_HINTS;
      const moved = source.bytes.subarray(hints + 2 * place, hints + 2 * count);
      target.bytes.set(moved, (unitOf(to) << 3) + LEAF_HINTS + 2 * toCount);
    }
    this.#setHead(from, place, prefix);
    this.#setHead(to, toCount + count - place, toCount === 0 ? prefix : UNKNOWN);
    this.#forgetDull(from, isLeaf);
    this.#forgetDull(to, isLeaf);
  }

  /** Forgets hints that begin before what all keys of a node share. */
  #forgetDull(node: number, isLeaf: boolean): void {
    const head = this.#get(node, 0);
    const prefix = head >>> PREFIX_SHIFT;
    const count = head & COUNT_MASK;
    if (prefix === UNKNOWN) return;
    if (count > 0 && this.#commonSizeOf(node, isLeaf, count) === prefix) return;
    this.#setHead(node, count, UNKNOWN);
  }
}
