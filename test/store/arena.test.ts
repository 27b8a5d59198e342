import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Arena, unitOf } from "../../src/store/arena.js";

const anySize = fc.oneof(
  { weight: 16, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 5, arbitrary: fc.integer({ min: 301, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 80_000 }) },
);

function bytesAt(arena: Arena, place: number, size: number): Uint8Array {
  const start = unitOf(place) << 3;
  return arena.page(place).bytes.subarray(start, start + size);
}

describe("the arena", () => {
  it("says that it is nearly full while a tenth of its pages is left, and no more when cells are freed", () => {
    const arena = new Arena(20);
    const places: number[] = [];
    // The first page stands for none; every cell of this size has one of its own.
    while (!arena.isNearlyFull) places.push(arena.allocate(80_000));
    assert.equal(places.length, 17);
    arena.free(places.pop() ?? 0);
    assert.ok(!arena.isNearlyFull);
    for (let i = 0; i < 3; i++) arena.allocate(80_000);
    assert.throws(() => arena.allocate(80_000), /the table holds 32 GiB at most/);
  });

  it("gives cells that do not overlap and keep their bytes, whatever comes and goes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: anySize, frees: fc.nat({ max: 3 }), which: fc.nat() }), {
          minLength: 20,
          maxLength: 400,
          size: "max",
        }),
        (steps) => {
          const arena = new Arena();
          const cells: { place: number; size: number; mark: number }[] = [];
          for (const [mark, { size, frees, which }] of steps.entries()) {
            const place = arena.allocate(size);
            assert.notEqual(place, 0);
            bytesAt(arena, place, size).fill(mark % 251);
            cells.push({ place, size, mark });
            if (frees !== 1) continue;
            const [freed] = cells.splice(which % cells.length, 1);
            if (freed !== undefined) arena.free(freed.place);
          }
          for (const { place, size, mark } of cells) {
            const bytes = bytesAt(arena, place, size);
            assert.ok(Buffer.alloc(size, mark % 251).equals(bytes));
          }
        },
      ),
      { numRuns: 40, seed: 20261128 },
    );
  });

  it("wastes at most a sixteenth and seven bytes of a cell beyond the page that is begun", () => {
    for (const size of [1, 8, 100, 136, 257, 1000, 4097, 30_000, 65_536, 65_537, 1_000_000]) {
      const arena = new Arena();
      const count = Math.max(3, Math.floor(4_000_000 / size));
      for (let i = 0; i < count; i++) arena.allocate(size);
      // A page is begun an eighth larger than needed.
      const most = count * (size * (17 / 16) + 8) * (9 / 8) + 256 * 1024;
      assert.ok(arena.size <= most, `${arena.size} bytes for ${count} cells of ${size}`);
    }
  });

  it("begins small", () => {
    const arena = new Arena();
    assert.equal(arena.size, 0);
    for (const size of [20, 140, 512]) arena.allocate(size);
    assert.ok(arena.size <= 3 * 512, `${arena.size} bytes`);
  });

  it("uses what was freed before it takes more memory", () => {
    const arena = new Arena();
    const places = Array.from({ length: 50_000 }, () => arena.allocate(100));
    const { size } = arena;
    for (let round = 0; round < 3; round++) {
      for (let i = round; i < places.length; i += 3) arena.free(places[i] ?? 0);
      for (let i = round; i < places.length; i += 3) places[i] = arena.allocate(100);
    }
    assert.equal(arena.size, size);
    assert.equal(new Set(places).size, places.length);
  });

  it("gives what one size leaves to the others", () => {
    const arena = new Arena();
    let sizeMax = 0;
    for (let size = 16; size < 4000; size = Math.ceil(size * 1.3)) {
      const places = Array.from({ length: Math.floor(2_000_000 / size) }, () =>
        arena.allocate(size),
      );
      sizeMax = Math.max(sizeMax, arena.size);
      for (const place of places) arena.free(place);
    }
    assert.ok(sizeMax < 4_000_000, `${sizeMax} bytes`);
    assert.ok(arena.size < 2_000_000, `${arena.size} bytes are left`);
  });

  it("gives the memory of a page that is given back to the next, of whatever size its cells are", () => {
    const arena = new Arena();
    const memories = new Set<ArrayBuffer>();
    for (const [round, size] of [100, 24, 2000, 120, 8000].entries()) {
      const places = Array.from({ length: Math.floor(1_500_000 / size) }, () =>
        arena.allocate(size),
      );
      const full = new Set(
        places
          .map((place) => arena.page(place).bytes.buffer)
          .filter(({ byteLength }) => byteLength === 256 * 1024),
      );
      const known = [...full].filter((memory) => memories.has(memory)).length;
      assert.ok(full.size >= 5, `${full.size} full pages of ${size}`);
      assert.ok(round === 0 || known >= full.size - 1, `${known} of ${full.size} for ${size}`);
      for (const memory of full) memories.add(memory);
      for (const place of places) arena.free(place);
    }
  });

  it("never uses the memory of a large cell again", () => {
    const arena = new Arena();
    const place = arena.allocate(100_000);
    const bytes = bytesAt(arena, place, 100_000).fill(7);
    arena.free(place);
    assert.equal(arena.size, 0);
    bytesAt(arena, arena.allocate(100_000), 100_000).fill(1);
    assert.ok(bytes.every((byte) => byte === 7));
  });
});
