/**
 * Keys in their byte order: a B+ tree whose nodes are cells of the arena.
 *
 *   leaf   := count u32, next leaf u32 (0: last), key u32 * LEAF_MAX
 *   branch := count u32, 0 u32, child u32 * BRANCH_MAX, first key below it u32 * BRANCH_MAX
 *
 * Four bytes a key when keys come in order, about six when they come at random.
 *
 * Invariants: a branch's first keys are the first keys of its children; no node but
 * the root is empty. Sparse neighbours are joined.
 */
import { assert } from "../assert.js";
import { unitOf } from "./arena.js";
import type { Records } from "./records.js";

const NODE_SIZE = 512;
const HEAD = 2;
const LEAF_MAX = 126;
const BRANCH_MAX = 63;
const FIRST_KEYS: number = HEAD + BRANCH_MAX;
const DEPTH_MAX = 16;

export class KeyIndex {
  readonly #records: Records;
  #root = 0;
  /** branches above each leaf */
  #height = 0;
  #size = 0;
  #lastLeaf = 0;
  /** The way from the root to a leaf, and the place taken in each of them. */
  readonly #nodes = new Uint32Array(DEPTH_MAX);
  readonly #places = new Uint32Array(DEPTH_MAX);

  constructor(records: Records) {
    this.#records = records;
  }

  get size(): number {
    return this.#size;
  }

  // ---- nodes ---------------------------------------------------------------

  #get(node: number, word: number): number {
    return this.#records.arena.page(node).words[(unitOf(node) << 1) + word] ?? 0;
  }

  #set(node: number, word: number, value: number): void {
    this.#records.arena.page(node).words[(unitOf(node) << 1) + word] = value;
  }

  #newNode(): number {
    const node = this.#records.arena.allocate(NODE_SIZE);
    this.#set(node, 0, 0);
    this.#set(node, 1, 0);
    return node;
  }

  #insertWord(node: number, base: number, place: number, count: number, value: number): void {
    const { words } = this.#records.arena.page(node);
    const first = (unitOf(node) << 1) + base;
    if (place < count) words.copyWithin(first + place + 1, first + place, first + count);
    words[first + place] = value;
  }

  #removeWord(node: number, base: number, place: number, count: number): void {
    const { words } = this.#records.arena.page(node);
    const first = (unitOf(node) << 1) + base;
    words.copyWithin(first + place, first + place + 1, first + count);
  }

  #copyWords(from: number, start: number, count: number, to: number, at: number): void {
    const source = this.#records.arena.page(from).words;
    const target = this.#records.arena.page(to).words;
    const first = (unitOf(from) << 1) + start;
    const last = (unitOf(to) << 1) + at;
    for (let i = 0; i < count; i++) target[last + i] = source[first + i] ?? 0;
  }

  #firstKeyOf(node: number, level: number): number {
    return this.#get(node, level === this.#height ? HEAD : FIRST_KEYS);
  }

  // ---- finding -------------------------------------------------------------

  /**
   * Goes down to the leaf where the bytes belong.
   * @returns the place of the first key there that is not before them; perhaps behind its last
   */
  #descend(bytes: Uint8Array, start: number, size: number): number {
    let node = this.#root;
    for (let level = 0; ; level++) {
      const isLeaf = level === this.#height;
      const base = isLeaf ? HEAD : FIRST_KEYS;
      const { words } = this.#records.arena.page(node);
      const first = (unitOf(node) << 1) + base;
      let low = 0;
      let high = words[unitOf(node) << 1] ?? 0;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const difference = this.#records.compareKey(words[first + middle] ?? 0, bytes, start, size);
        // In a branch: the last child that does not begin behind the bytes.
        if (difference < 0 || (!isLeaf && difference === 0)) low = middle + 1;
        else high = middle;
      }
      this.#nodes[level] = node;
      if (isLeaf) return low;
      const place = low === 0 ? 0 : low - 1;
      this.#places[level] = place;
      node = words[first - BRANCH_MAX + place] ?? 0;
    }
  }

  /** Goes down to the last leaf. @returns how many keys it has */
  #descendLast(): number {
    let node = this.#root;
    for (let level = 0; level < this.#height; level++) {
      const place = this.#get(node, 0) - 1;
      this.#nodes[level] = node;
      this.#places[level] = place;
      node = this.#get(node, HEAD + place);
    }
    this.#nodes[this.#height] = node;
    return this.#get(node, 0);
  }

  /** As #descend, to where a key of the arena belongs. */
  #descendTo(key: number): number {
    const page = this.#records.arena.page(key);
    return this.#descend(page.bytes, (unitOf(key) << 3) + 8, this.#records.keySizeOf(key));
  }

  // ---- adding --------------------------------------------------------------

  /** Adds a key that is not here. */
  add(key: number): void {
    this.#size += 1;
    if (this.#root === 0) {
      this.#root = this.#newNode();
      this.#lastLeaf = this.#root;
    }
    const lastCount = this.#get(this.#lastLeaf, 0);
    const last = lastCount === 0 ? 0 : this.#get(this.#lastLeaf, HEAD + lastCount - 1);
    const isBehindAll = last === 0 || this.#records.compareKeys(last, key) < 0;
    const place = isBehindAll ? this.#descendLast() : this.#descendTo(key);
    const leaf = this.#nodes[this.#height] ?? 0;
    const count = this.#get(leaf, 0);
    if (count < LEAF_MAX) {
      this.#insertWord(leaf, HEAD, place, count, key);
      this.#set(leaf, 0, count + 1);
      if (place === 0) this.#setFirstKey(this.#height, key);
      return;
    }
    this.#splitLeaf(leaf, place, key, isBehindAll);
  }

  /** Adds a key that is behind all others. */
  append(key: number): void {
    const leaf = this.#lastLeaf;
    const { words } = this.#records.arena.page(leaf);
    const first = unitOf(leaf) << 1;
    const count = leaf === 0 ? 0 : (words[first] ?? 0);
    if (count === 0 || count === LEAF_MAX) {
      this.add(key);
      return;
    }
    words[first] = count + 1;
    words[first + HEAD + count] = key;
    this.#size += 1;
  }

  /** Keys that come in order leave full leaves behind. */
  #splitLeaf(leaf: number, place: number, key: number, isBehindAll: boolean): void {
    const kept = isBehindAll ? LEAF_MAX : LEAF_MAX >>> 1;
    const added = this.#newNode();
    this.#copyWords(leaf, HEAD + kept, LEAF_MAX - kept, added, HEAD);
    this.#set(added, 0, LEAF_MAX - kept);
    this.#set(added, 1, this.#get(leaf, 1));
    this.#set(leaf, 0, kept);
    this.#set(leaf, 1, added);
    if (this.#lastLeaf === leaf) this.#lastLeaf = added;
    const isInAdded = place > kept || isBehindAll;
    const target = isInAdded ? added : leaf;
    const at = isInAdded ? place - kept : place;
    const count = this.#get(target, 0);
    this.#insertWord(target, HEAD, at, count, key);
    this.#set(target, 0, count + 1);
    if (!isInAdded && at === 0) this.#setFirstKey(this.#height, key);
    this.#addChild(this.#height - 1, added, this.#get(added, HEAD));
  }

  /** Adds a node behind the one on the way through `level`. */
  #addChild(level: number, child: number, firstKey: number): void {
    if (level < 0) {
      const root = this.#newNode();
      const old = this.#root;
      this.#set(root, 0, 2);
      this.#set(root, HEAD, old);
      this.#set(root, FIRST_KEYS, this.#firstKeyOf(old, 0));
      this.#set(root, HEAD + 1, child);
      this.#set(root, FIRST_KEYS + 1, firstKey);
      this.#root = root;
      this.#height += 1;
      assert(this.#height < DEPTH_MAX, "a tree is not deeper than memory is large");
      return;
    }
    let node = this.#nodes[level] ?? 0;
    let place = (this.#places[level] ?? 0) + 1;
    if (this.#get(node, 0) === BRANCH_MAX) {
      const isLast = place === BRANCH_MAX;
      const kept = isLast ? BRANCH_MAX - 1 : BRANCH_MAX >>> 1;
      const added = this.#newNode();
      this.#copyWords(node, HEAD + kept, BRANCH_MAX - kept, added, HEAD);
      this.#copyWords(node, FIRST_KEYS + kept, BRANCH_MAX - kept, added, FIRST_KEYS);
      this.#set(added, 0, BRANCH_MAX - kept);
      this.#set(node, 0, kept);
      this.#addChild(level - 1, added, this.#get(added, FIRST_KEYS));
      if (place > kept) {
        node = added;
        place -= kept;
      }
    }
    const count = this.#get(node, 0);
    this.#insertWord(node, HEAD, place, count, child);
    this.#insertWord(node, FIRST_KEYS, place, count, firstKey);
    this.#set(node, 0, count + 1);
  }

  /** The node on the way at `level` begins with another key: its parents are told. */
  #setFirstKey(level: number, key: number): void {
    for (let above = level - 1; above >= 0; above--) {
      const place = this.#places[above] ?? 0;
      this.#set(this.#nodes[above] ?? 0, FIRST_KEYS + place, key);
      if (place > 0) return;
    }
  }

  // ---- removing ------------------------------------------------------------

  /** Removes a key that is here; its bytes are still there. */
  remove(key: number): void {
    const place = this.#descendTo(key);
    const leaf = this.#nodes[this.#height] ?? 0;
    assert(this.#get(leaf, HEAD + place) === key, "a key that is removed is in the index");
    this.#size -= 1;
    const count = this.#get(leaf, 0) - 1;
    this.#removeWord(leaf, HEAD, place, count + 1);
    this.#set(leaf, 0, count);
    if (count > 0 && place === 0) this.#setFirstKey(this.#height, this.#get(leaf, HEAD));
    if (count < LEAF_MAX >>> 2) this.#thin(this.#height);
  }

  /** The node on the way at `level` has become sparse: it joins a neighbour, or goes when it is empty. */
  #thin(level: number): void {
    const node = this.#nodes[level] ?? 0;
    const count = this.#get(node, 0);
    if (level === 0) {
      this.#thinRoot(count);
      return;
    }
    const parent = this.#nodes[level - 1] ?? 0;
    const place = this.#places[level - 1] ?? 0;
    const siblingCount = this.#get(parent, 0);
    const roomMax = ((level === this.#height ? LEAF_MAX : BRANCH_MAX) * 3) >>> 2;
    const right = place + 1 < siblingCount ? this.#get(parent, HEAD + place + 1) : 0;
    const left = place > 0 ? this.#get(parent, HEAD + place - 1) : 0;
    if (count === 0) this.#removeNode(level, left);
    else if (right !== 0 && count + this.#get(right, 0) <= roomMax) {
      this.#join(level, node, right, place + 1);
    } else if (left !== 0 && count + this.#get(left, 0) <= roomMax) {
      this.#join(level, left, node, place);
    }
  }

  #thinRoot(count: number): void {
    if (this.#height > 0) {
      if (count !== 1) return;
      // The children of a branch with one child are the root's.
      const root = this.#root;
      this.#root = this.#get(root, HEAD);
      this.#height -= 1;
      this.#records.arena.free(root);
      if (this.#height > 0 && this.#get(this.#root, 0) === 1) this.#thinRoot(1);
    } else if (count === 0) {
      this.#records.arena.free(this.#root);
      this.#root = 0;
      this.#lastLeaf = 0;
    }
  }

  /** Moves what is in `right`, which stands at `place` of its parent, behind what is in `left`. */
  #join(level: number, left: number, right: number, place: number): void {
    const count = this.#get(left, 0);
    const moved = this.#get(right, 0);
    this.#copyWords(right, HEAD, moved, left, HEAD + count);
    if (level === this.#height) {
      this.#set(left, 1, this.#get(right, 1));
      if (this.#lastLeaf === right) this.#lastLeaf = left;
    } else {
      this.#copyWords(right, FIRST_KEYS, moved, left, FIRST_KEYS + count);
    }
    this.#set(left, 0, count + moved);
    this.#records.arena.free(right);
    this.#removeChild(level - 1, place);
  }

  /** An empty node goes. */
  #removeNode(level: number, left: number): void {
    const node = this.#nodes[level] ?? 0;
    if (level === this.#height) {
      const before = left === 0 ? this.#leafBefore(level) : left;
      if (before !== 0) this.#set(before, 1, this.#get(node, 1));
      if (this.#lastLeaf === node) this.#lastLeaf = before;
    }
    this.#records.arena.free(node);
    this.#removeChild(level - 1, this.#places[level - 1] ?? 0);
  }

  /** The leaf before the one on the way, of other parents; 0 when it is the first. */
  #leafBefore(leafLevel: number): number {
    let level = leafLevel - 1;
    while (level >= 0 && this.#places[level] === 0) level -= 1;
    if (level < 0) return 0;
    let node = this.#get(this.#nodes[level] ?? 0, HEAD + (this.#places[level] ?? 0) - 1);
    for (level += 1; level < leafLevel; level++) {
      node = this.#get(node, HEAD + this.#get(node, 0) - 1);
    }
    return node;
  }

  #removeChild(level: number, place: number): void {
    const node = this.#nodes[level] ?? 0;
    const count = this.#get(node, 0) - 1;
    this.#removeWord(node, HEAD, place, count + 1);
    this.#removeWord(node, FIRST_KEYS, place, count + 1);
    this.#set(node, 0, count);
    if (count > 0 && place === 0) this.#setFirstKey(level, this.#get(node, FIRST_KEYS));
    if (count < BRANCH_MAX >>> 2) this.#thin(level);
  }

  // ---- walking -------------------------------------------------------------

  /** From the first key that is not before the bytes. Not to be used once the index has changed. */
  from(bytes: Uint8Array): KeyCursor {
    if (this.#root === 0) return new KeyCursor(this.#records, 0, 0);
    const place = this.#descend(bytes, 0, bytes.length);
    return new KeyCursor(this.#records, this.#nodes[this.#height] ?? 0, place);
  }
}

/** Goes through the keys of an index in their order. */
class KeyCursor {
  readonly #records: Records;
  #leaf: number;
  #place: number;
  /** the key it stands at; 0 behind the last */
  key = 0;

  constructor(records: Records, leaf: number, place: number) {
    this.#records = records;
    this.#leaf = leaf;
    this.#place = place - 1;
    this.advance();
  }

  advance(): void {
    this.#place += 1;
    while (this.#leaf !== 0) {
      const { words } = this.#records.arena.page(this.#leaf);
      const first = unitOf(this.#leaf) << 1;
      if (this.#place < (words[first] ?? 0)) {
        this.key = words[first + HEAD + this.#place] ?? 0;
        return;
      }
      this.#leaf = words[first + 1] ?? 0;
      this.#place = 0;
    }
    this.key = 0;
  }
}
