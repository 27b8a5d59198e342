/**
 * Keys in their byte order: a B+ tree whose nodes are cells of the arena (key-nodes.ts).
 *
 * Six bytes a key when keys come in order, about nine when they come at random. On the
 * way down a key is told from others by hints in the nodes; of its neighbours' bytes
 * few are read, which matters because those are out of the processor's cache.
 *
 * Invariants: a branch's first keys are the first keys of its children; no node but
 * the root is empty. Sparse neighbours are joined.
 */
import { assert } from "../assert.js";
import { BRANCH_MAX, KeyNodes, LEAF_MAX } from "./key-nodes.js";
import type { Records } from "./records.js";

const DEPTH_MAX = 16;

export class KeyIndex {
  readonly #records: Records;
  readonly #nodes: KeyNodes;
  #root = 0;
  /** branches above each leaf */
  #height = 0;
  #size = 0;
  #lastLeaf = 0;
  /** The way from the root to a leaf, and the place taken in each of them. */
  readonly #way = new Uint32Array(DEPTH_MAX);
  readonly #places = new Uint32Array(DEPTH_MAX);

  constructor(records: Records) {
    this.#records = records;
    this.#nodes = new KeyNodes(records);
  }

  get size(): number {
    return this.#size;
  }

  /** The leaf at the end of the way. */
  get #leaf(): number {
    return this.#way[this.#height] ?? 0;
  }

  // ---- finding -------------------------------------------------------------

  /**
   * Goes down to the leaf where the bytes belong.
   * @returns the place of the first key there that is not before them; perhaps behind its last
   */
  #descend(bytes: Uint8Array, start: number, size: number): number {
    const nodes = this.#nodes;
    let node = this.#root;
    nodes.beginWay();
    for (let level = 0; level < this.#height; level++) {
      const place = nodes.placeOfChild(node, bytes, start, size);
      this.#way[level] = node;
      this.#places[level] = place;
      node = nodes.childAt(node, place);
    }
    this.#way[this.#height] = node;
    return nodes.placeOfKey(node, bytes, start, size);
  }

  /** Goes down to the last leaf. @returns how many keys it has */
  #descendLast(): number {
    const nodes = this.#nodes;
    let node = this.#root;
    for (let level = 0; level < this.#height; level++) {
      const place = nodes.countOf(node) - 1;
      this.#way[level] = node;
      this.#places[level] = place;
      node = nodes.childAt(node, place);
    }
    this.#way[this.#height] = node;
    return nodes.countOf(node);
  }

  /** As #descend, to where a key of the arena belongs. */
  #descendTo(key: number): number {
    const records = this.#records;
    const { bytes } = records.arena.page(key);
    return this.#descend(bytes, records.keyStartOf(key), records.keySizeOf(key));
  }

  // ---- adding --------------------------------------------------------------

  /** Adds a key that is not here. */
  add(key: number): void {
    const nodes = this.#nodes;
    this.#size += 1;
    if (this.#root === 0) {
      this.#root = nodes.make();
      this.#lastLeaf = this.#root;
    }
    const lastCount = nodes.countOf(this.#lastLeaf);
    const last = lastCount === 0 ? 0 : nodes.keyAt(this.#lastLeaf, true, lastCount - 1);
    const isBehindAll = last === 0 || this.#records.compareKeys(last, key) < 0;
    if (isBehindAll && lastCount > 0 && lastCount < LEAF_MAX) {
      nodes.insert(this.#lastLeaf, true, lastCount, key);
      return;
    }
    const place = isBehindAll ? this.#descendLast() : this.#descendTo(key);
    const leaf = this.#leaf;
    if (nodes.countOf(leaf) < LEAF_MAX) {
      nodes.insert(leaf, true, place, key);
      if (place === 0) this.#setFirstKey(this.#height, key);
      return;
    }
    this.#splitLeaf(leaf, place, key, isBehindAll);
  }

  /** Adds a key that is behind all others. */
  append(key: number): void {
    const leaf = this.#lastLeaf;
    const count = leaf === 0 ? 0 : this.#nodes.countOf(leaf);
    if (count === 0 || count === LEAF_MAX) {
      this.add(key);
      return;
    }
    this.#nodes.insert(leaf, true, count, key);
    this.#size += 1;
  }

  /** Keys that come in order leave full leaves behind. */
  #splitLeaf(leaf: number, place: number, key: number, isBehindAll: boolean): void {
    const nodes = this.#nodes;
    const kept = isBehindAll ? LEAF_MAX : LEAF_MAX >>> 1;
    const added = nodes.make();
    nodes.move(leaf, true, kept, added);
    nodes.setNext(added, nodes.nextOf(leaf));
    nodes.setNext(leaf, added);
    if (this.#lastLeaf === leaf) this.#lastLeaf = added;
    const isInAdded = place > kept || isBehindAll;
    const at = isInAdded ? place - kept : place;
    nodes.insert(isInAdded ? added : leaf, true, at, key);
    if (!isInAdded && at === 0) this.#setFirstKey(this.#height, key);
    this.#addChild(this.#height - 1, added, nodes.keyAt(added, true, 0));
  }

  /** Adds a node behind the one on the way through `level`. */
  #addChild(level: number, child: number, firstKey: number): void {
    const nodes = this.#nodes;
    if (level < 0) {
      const root = nodes.make();
      const old = this.#root;
      nodes.insert(root, false, 0, nodes.keyAt(old, this.#height === 0, 0), old);
      nodes.insert(root, false, 1, firstKey, child);
      this.#root = root;
      this.#height += 1;
      assert(this.#height < DEPTH_MAX, "a tree is not deeper than memory is large");
      return;
    }
    let node = this.#way[level] ?? 0;
    let place = (this.#places[level] ?? 0) + 1;
    if (nodes.countOf(node) === BRANCH_MAX) {
      const isLast = place === BRANCH_MAX;
      const kept = isLast ? BRANCH_MAX - 1 : BRANCH_MAX >>> 1;
      const added = nodes.make();
      nodes.move(node, false, kept, added);
      this.#addChild(level - 1, added, nodes.keyAt(added, false, 0));
      if (place > kept) {
        node = added;
        place -= kept;
      }
    }
    nodes.insert(node, false, place, firstKey, child);
  }

  /** The node on the way at `level` begins with another key: its parents are told. */
  #setFirstKey(level: number, key: number): void {
    for (let above = level - 1; above >= 0; above--) {
      const place = this.#places[above] ?? 0;
      this.#nodes.setKey(this.#way[above] ?? 0, false, place, key);
      if (place > 0) return;
    }
  }

  // ---- removing ------------------------------------------------------------

  /** Removes a key that is here; its bytes are still there. */
  remove(key: number): void {
    const nodes = this.#nodes;
    const place = this.#descendTo(key);
    const leaf = this.#leaf;
    assert(nodes.keyAt(leaf, true, place) === key, "a key that is removed is in the index");
    this.#size -= 1;
    nodes.remove(leaf, true, place);
    const count = nodes.countOf(leaf);
    if (count > 0 && place === 0) this.#setFirstKey(this.#height, nodes.keyAt(leaf, true, 0));
    if (count < LEAF_MAX >>> 2) this.#thin(this.#height);
  }

  /** The node on the way at `level` has become sparse: it joins a neighbour, or goes when it is empty. */
  #thin(level: number): void {
    const nodes = this.#nodes;
    const node = this.#way[level] ?? 0;
    const count = nodes.countOf(node);
    if (level === 0) {
      this.#thinRoot(count);
      return;
    }
    const parent = this.#way[level - 1] ?? 0;
    const place = this.#places[level - 1] ?? 0;
    const roomMax = ((level === this.#height ? LEAF_MAX : BRANCH_MAX) * 3) >>> 2;
    const right = place + 1 < nodes.countOf(parent) ? nodes.childAt(parent, place + 1) : 0;
    const left = place > 0 ? nodes.childAt(parent, place - 1) : 0;
    if (count === 0) this.#removeNode(level, left);
    else if (right !== 0 && count + nodes.countOf(right) <= roomMax) {
      this.#join(level, node, right, place + 1);
    } else if (left !== 0 && count + nodes.countOf(left) <= roomMax) {
      this.#join(level, left, node, place);
    }
  }

  #thinRoot(count: number): void {
    const nodes = this.#nodes;
    if (this.#height > 0) {
      if (count !== 1) return;
      // The children of a branch with one child are the root's.
      const root = this.#root;
      this.#root = nodes.childAt(root, 0);
      this.#height -= 1;
      nodes.free(root);
      if (this.#height > 0 && nodes.countOf(this.#root) === 1) this.#thinRoot(1);
    } else if (count === 0) {
      nodes.free(this.#root);
      this.#root = 0;
      this.#lastLeaf = 0;
    }
  }

  /** Moves what is in `right`, which stands at `place` of its parent, behind what is in `left`. */
  #join(level: number, left: number, right: number, place: number): void {
    const nodes = this.#nodes;
    const isLeaf = level === this.#height;
    nodes.move(right, isLeaf, 0, left);
    if (isLeaf) {
      nodes.setNext(left, nodes.nextOf(right));
      if (this.#lastLeaf === right) this.#lastLeaf = left;
    }
    nodes.free(right);
    this.#removeChild(level - 1, place);
  }

  /** An empty node goes. */
  #removeNode(level: number, left: number): void {
    const nodes = this.#nodes;
    const node = this.#way[level] ?? 0;
    if (level === this.#height) {
      const before = left === 0 ? this.#leafBefore(level) : left;
      if (before !== 0) nodes.setNext(before, nodes.nextOf(node));
      if (this.#lastLeaf === node) this.#lastLeaf = before;
    }
    nodes.free(node);
    this.#removeChild(level - 1, this.#places[level - 1] ?? 0);
  }

  /** The leaf before the one on the way, of other parents; 0 when it is the first. */
  #leafBefore(leafLevel: number): number {
    const nodes = this.#nodes;
    let level = leafLevel - 1;
    while (level >= 0 && this.#places[level] === 0) level -= 1;
    if (level < 0) return 0;
    let node = nodes.childAt(this.#way[level] ?? 0, (this.#places[level] ?? 0) - 1);
    for (level += 1; level < leafLevel; level++) {
      node = nodes.childAt(node, nodes.countOf(node) - 1);
    }
    return node;
  }

  #removeChild(level: number, place: number): void {
    const nodes = this.#nodes;
    const node = this.#way[level] ?? 0;
    nodes.remove(node, false, place);
    const count = nodes.countOf(node);
    if (count > 0 && place === 0) this.#setFirstKey(level, nodes.keyAt(node, false, 0));
    if (count < BRANCH_MAX >>> 2) this.#thin(level);
  }

  // ---- walking -------------------------------------------------------------

  /** From the first key that is not before the bytes. Not to be used once the index has changed. */
  from(bytes: Uint8Array): KeyCursor {
    if (this.#root === 0) return new KeyCursor(this.#nodes, 0, 0);
    const place = this.#descend(bytes, 0, bytes.length);
    return new KeyCursor(this.#nodes, this.#leaf, place);
  }
}

/** Goes through the keys of an index in their order. */
class KeyCursor {
  readonly #nodes: KeyNodes;
  #leaf: number;
  #place: number;
  /** the key it stands at; 0 behind the last */
  key = 0;

  constructor(nodes: KeyNodes, leaf: number, place: number) {
    this.#nodes = nodes;
    this.#leaf = leaf;
    this.#place = place - 1;
    this.advance();
  }

  advance(): void {
    this.#place += 1;
    while (this.#leaf !== 0) {
      this.key = this.#nodes.keyAt(this.#leaf, true, this.#place);
      if (this.key !== 0) return;
      this.#leaf = this.#nodes.nextOf(this.#leaf);
      this.#place = 0;
    }
    this.key = 0;
  }
}
