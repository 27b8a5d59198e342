/** What a view keeps of what is compacted while it is open: all that it gives, and nothing else. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { eachRowOf, LiveStateView } from "../../src/store/state-view.js";
import type { StateRow } from "../../src/store/state-row.js";
import { State } from "../../src/store/state.js";
import { bytes } from "./requests.js";
import { kept } from "./whole-state.js";

const MARK = 0xee;
/** Nodes of the indexes have cells of their own, of this size. */
const NODE_SIZE = 512;

/** A state whose keys and versions are counted, and overwritten when they are freed: who reads them still is found out. */
class Watched {
  readonly state = new State();
  readonly places = new Set<number>();
  #time = 1_000;

  /** @param heldCountMax compacted changes that may wait for the end of a view */
  constructor(heldCountMax = 0) {
    this.state.map.history.heldCountMax = heldCountMax;
    const { arena } = this.state.map.records;
    const allocate = arena.allocate.bind(arena);
    const free = arena.free.bind(arena);
    const sizes = new Map<number, number>();
    arena.allocate = (size) => {
      const place = allocate(size);
      assert.ok(!sizes.has(place), "a cell is nobody's when it is taken");
      sizes.set(place, size);
      if (size !== NODE_SIZE) this.places.add(place);
      return place;
    };
    arena.free = (place) => {
      const size = sizes.get(place);
      assert.ok(size !== undefined, "a cell is freed once");
      sizes.delete(place);
      this.places.delete(place);
      const start = (place & 0x7fff) << 3;
      arena.page(place).bytes.fill(MARK, start, start + size);
      free(place);
    };
  }

  get map(): State["map"] {
    return this.state.map;
  }

  put(key: string, value: string): void {
    const row = bytes(key + value);
    this.#time += 1;
    this.map.putAlone(row, 0, key.length, key.length, value.length, this.#time);
  }

  /** Several keys with one revision, each set or deleted; or nothing of it. */
  change(keys: readonly string[], isDeletion: (key: string) => boolean, isRefused: boolean): void {
    this.#time += 1;
    this.map.begin(this.#time);
    for (const key of keys) {
      const name = bytes(key);
      const record = this.map.findKey(name);
      if (!isDeletion(key)) this.map.put(name, 0, name.length, name, 0, name.length, 0);
      else if (record !== 0) this.map.delete(record);
    }
    if (isRefused) this.map.takeBack();
    else this.map.end();
  }

  /** Leaves so many revisions to be read. */
  compact(revisionCount: number): void {
    const revision = this.map.revision - revisionCount;
    if (revision > this.map.compactedRevision) this.map.compact(revision);
  }

  rows(): StateRow[] {
    const rows: StateRow[] = [];
    eachRowOf(this.state, (row) => rows.push(kept(row)));
    return rows;
  }

  /** Frees all that waits to be freed. */
  drain(): void {
    while (this.map.history.isBehind) this.map.begin(this.#time);
  }
}

class View {
  readonly want: readonly StateRow[];
  readonly got: StateRow[] = [];
  readonly #view: LiveStateView;
  isMore = true;

  constructor({ state }: Watched, want: readonly StateRow[]) {
    this.want = want;
    this.#view = new LiveStateView(state, () => undefined);
  }

  read(sizeMax: number): void {
    this.isMore = this.#view.read(sizeMax, (row) => this.got.push(kept(row)));
  }

  close(): void {
    this.#view.close();
    const want = this.isMore ? this.want.slice(0, this.got.length) : this.want;
    assert.deepEqual(this.got, want);
  }
}

/** Of an even spread, below `end`; the same for the same seed. */
function randomOf(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

describe("what a view keeps", () => {
  it("is all that it gives, whatever is changed, compacted and freed meanwhile, and all of it is freed in the end", () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = randomOf(seed);
      const watched = new Watched([0, 0, 70, 500][seed % 4]);
      // Few keys with many versions each, so that there are anchors; or many with few.
      const keyCount = [3, 12, 700][seed % 3] ?? 0;
      // Of few keys all are found in one go: then long after the view was opened.
      const patience = [60, 5, 1][seed % 3] ?? 0;
      const key = (): string => `key${random(keyCount)}`;
      let view: View | undefined;
      let number = 0;
      for (let step = 0; step < 3_000; step += 1) {
        const what = random(100);
        number += 1;
        if (what < 60) watched.put(key(), `value ${number}`);
        else if (what < 70) watched.put(`new${number}`, "new");
        else if (what < 85) {
          const keys = [key(), key(), key(), `new${random(number)}`];
          watched.change(keys, () => random(3) > 0, random(4) === 0);
        } else if (what < 92) {
          watched.compact(random(200));
        } else if (what < 97) {
          if (random(patience) === 0) view?.read(1 + random(6_000));
        } else if (what === 97) view ??= new View(watched, watched.rows());
        else if (view !== undefined && (!view.isMore || random(40) === 0)) {
          view.close();
          view = undefined;
        }
      }
      while (view?.isMore === true) view.read(1_000);
      view?.close();
      watched.compact(0);
      watched.drain();
      const { size } = watched.map;
      assert.equal(watched.places.size, 2 * size, `a key and a version each, seed ${seed}`);
    }
  });

  const KEYS = 2_000;
  const HISTORY = 300;

  /** Every key set, and a view of it. */
  function filled(): { readonly watched: Watched; readonly view: View } {
    const watched = new Watched();
    for (let i = 0; i < KEYS; i += 1) watched.put(`key${i}`, "first");
    for (let i = 0; i < HISTORY; i += 1) watched.put(`key${i}`, "second");
    watched.compact(HISTORY);
    watched.drain();
    return { watched, view: new View(watched, watched.rows()) };
  }

  it("is a version of each key at most, and its changes, while everything is overwritten again and again", () => {
    const { watched, view } = filled();
    for (let round = 0; round < 10; round += 1) {
      for (let i = 0; i < KEYS; i += 1) {
        watched.put(`key${i}`, `round ${round}`);
        if (i % 100 === 0) watched.compact(HISTORY);
      }
      const most = KEYS + KEYS + (HISTORY + 100) + (KEYS + HISTORY);
      assert.ok(watched.places.size <= most, `${watched.places.size} cells in round ${round}`);
    }
    while (view.isMore) view.read(1_000);
    view.close();
  });

  it("is nothing of a key that it has given", () => {
    const { watched, view } = filled();
    // All keys, but not their changes.
    while (view.got.length < 2 + KEYS) view.read(1_000);
    view.read(1);
    for (let i = 0; i < KEYS; i += 1) watched.put(`key${i}`, "third");
    watched.compact(HISTORY);
    watched.drain();
    const most = KEYS + KEYS + HISTORY + HISTORY;
    assert.ok(watched.places.size <= most, `${watched.places.size} cells`);
    while (view.isMore) view.read(1_000);
    view.close();
  });

  it("is found behind hundreds of later versions, some of them freed and some not", () => {
    const { watched, view } = filled();
    for (let i = 0; i < 500; i += 1) watched.put("key7", `later ${i}`);
    watched.compact(200);
    watched.drain();
    while (view.isMore) view.read(1_000);
    view.close();
  });

  it("is freed as it is given", () => {
    const { watched, view } = filled();
    for (let i = 0; i < KEYS; i += 1) watched.put(`key${i}`, "third");
    watched.compact(HISTORY);
    watched.drain();
    assert.ok(watched.places.size >= 3 * KEYS);
    while (view.isMore) view.read(1_000);
    assert.ok(watched.places.size <= 2 * KEYS + HISTORY + 10, `${watched.places.size} cells`);
    view.close();
  });

  it("is nothing of keys that came and went since", () => {
    const { watched, view } = filled();
    const before = watched.places.size;
    for (let i = 0; i < 20_000; i += 1) {
      watched.put(`passing${i}`, "value");
      watched.change([`passing${i}`], () => true, false);
      if (i % 100 === 0) watched.compact(HISTORY);
    }
    watched.compact(0);
    watched.drain();
    assert.ok(watched.places.size <= before, `${watched.places.size} cells after ${before}`);
    view.close();
  });

  it("is freed a few at a time when it is closed early", () => {
    const { watched, view } = filled();
    const COUNT = 20_000;
    for (let i = 0; i < COUNT; i += 1) watched.put(`other${i}`, "first");
    watched.compact(0);
    view.close();
    const other = new View(watched, watched.rows());
    for (let i = 0; i < COUNT; i += 1) watched.put(`other${i}`, "second");
    watched.compact(0);
    watched.drain();
    const before = watched.places.size;
    other.close();
    const freed = before - watched.places.size;
    assert.ok(freed > 0 && freed <= 4_000, `${freed} at once`);
    watched.map.begin(2_000_000);
    assert.equal(before - watched.places.size, freed + 64);
    watched.drain();
    assert.equal(watched.places.size, 2 * (KEYS + COUNT));
  });
});
