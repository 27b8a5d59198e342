/** What is written beside the event loop, two buffers in turn. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { MemoryFileSystem, type OperationKind } from "../../src/simulation/memory-file-system.js";
import type { File } from "../../src/storage/file-system.js";
import { BUFFER_SIZE, WriteBehind } from "../../src/storage/write-behind.js";
import { randomOf } from "./entries.js";

const PATH = "/a";
const KIB = 1024;

class Scenery {
  readonly fileSystem = new MemoryFileSystem();
  readonly calls: OperationKind[] = [];
  readonly file: File = this.fileSystem.open(PATH, "create");
  readonly behind = new WriteBehind(this.file, [
    new Uint8Array(BUFFER_SIZE),
    new Uint8Array(BUFFER_SIZE),
  ]);
  readonly written: Uint8Array[] = [];
  size = 0;

  constructor() {
    this.failWith(() => undefined);
  }

  failWith(code: (kind: OperationKind) => "ENOSPC" | "EIO" | undefined): void {
    this.fileSystem.fail(({ kind }) => {
      this.calls.push(kind);
      return code(kind);
    });
  }

  /** Bytes that nobody else has written, in a buffer that is used again at once. */
  write(size: number): void {
    const bytes = new Uint8Array(size).map((_, i) => (i * 31 + this.written.length) & 0xff);
    const lent = bytes.slice();
    this.behind.write(lent, this.size);
    lent.fill(0);
    this.written.push(bytes);
    this.size += size;
  }

  drain(): readonly (Error | undefined)[] {
    const told: (Error | undefined)[] = [];
    this.behind.drain((error) => {
      told.push(error);
    });
    return told;
  }

  assertWhole(): void {
    const expected = Buffer.concat(this.written);
    assert.ok(expected.equals(this.fileSystem.contents(PATH)), "the file is what was written");
  }
}

describe("a file written behind", () => {
  it("is what was written, whatever the pieces and whenever the disk has time", () => {
    for (let seed = 0; seed < 10; seed += 1) {
      const random = randomOf(seed);
      const scenery = new Scenery();
      for (let i = 0; i < 40; i += 1) {
        scenery.write(Math.floor(random() ** 4 * 800 * KIB));
        if (random() < 0.3) scenery.fileSystem.pump(1);
      }
      const told = scenery.drain();
      scenery.fileSystem.pump();
      assert.deepEqual(told, [undefined]);
      scenery.assertWhole();
    }
  });

  it("touches the disk on the loop for none who waits when it is full, and has one write under way", () => {
    const scenery = new Scenery();
    for (let i = 0; i < 40; i += 1) {
      if (scenery.behind.isFull) {
        const told = scenery.drain();
        assert.equal(told.length, 0);
        scenery.fileSystem.pump();
        assert.deepEqual(told, [undefined]);
        assert.ok(!scenery.behind.isFull);
      }
      // As much as the last step of a snapshot makes.
      scenery.write(240 * KIB);
      assert.ok(scenery.fileSystem.deferredCount <= 1);
    }
    scenery.drain();
    scenery.fileSystem.pump();
    assert.deepEqual(new Set(scenery.calls), new Set(["writeLater"]));
    scenery.assertWhole();
  });

  it("holds no more than two buffers for one who does not wait", () => {
    const scenery = new Scenery();
    for (let i = 0; i < 100; i += 1) scenery.write(64 * KIB);
    assert.equal(scenery.fileSystem.deferredCount, 1);
    const unwritten = 100 * 64 * KIB - scenery.fileSystem.contents(PATH).length;
    assert.ok(unwritten <= 512 * KIB, `${unwritten} bytes are not written`);
    scenery.drain();
    scenery.fileSystem.pump();
    scenery.assertWhole();
  });

  it("is drained at once when there is nothing to write", () => {
    assert.deepEqual(new Scenery().drain(), [undefined]);
  });

  for (const code of ["ENOSPC", "EIO"] as const) {
    it(`whose write fails with ${code} says so to who waits and to who goes on, and writes no more`, () => {
      const scenery = new Scenery();
      scenery.failWith((kind) => (kind === "writeLater" ? code : undefined));
      scenery.write(300 * KIB);
      scenery.write(300 * KIB);
      const told = scenery.drain();
      assert.equal(told.length, 0);
      scenery.fileSystem.pump();
      assert.equal(told.length, 1);
      assert.equal((told[0] as NodeJS.ErrnoException | undefined)?.code, code);
      assert.throws(
        () => {
          scenery.write(1);
        },
        { code, syscall: "write" },
      );
      assert.deepEqual(scenery.drain(), told);
      assert.equal(scenery.calls.length, 1);
    });
  }

  it("that is closed amid a write begins no other, and tells nobody", () => {
    const scenery = new Scenery();
    scenery.write(300 * KIB);
    scenery.write(300 * KIB);
    const told = scenery.drain();
    scenery.behind.close();
    scenery.behind.close();
    assert.equal(scenery.fileSystem.pump(), 1);
    assert.deepEqual(told, []);
    assert.deepEqual(scenery.calls, ["writeLater"]);
    assert.equal(scenery.fileSystem.openCount, 0);
  });
});
