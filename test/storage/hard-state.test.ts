import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { NodeId, Term } from "../../src/raft/types.js";
import type { HardState } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { HardStateFile } from "../../src/storage/hard-state.js";
import { randomOf } from "./entries.js";

const directory = "/data";
const COPIES = ["/data/hard-state-1", "/data/hard-state-2"];

function state(term: number, vote?: string): HardState {
  return { term: Term(term), vote: vote === undefined ? undefined : NodeId(vote) };
}

function newDirectory(): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  fileSystem.makeDirectory(directory);
  return fileSystem;
}

function written(...states: readonly HardState[]): MemoryFileSystem {
  const fileSystem = newDirectory();
  const file = HardStateFile.open(fileSystem, directory);
  for (const each of states) file.write(each);
  file.close();
  return fileSystem;
}

function current(fileSystem: MemoryFileSystem): HardState {
  const file = HardStateFile.open(fileSystem, directory);
  file.close();
  return file.current;
}

describe("hard state", () => {
  it("begins with term 0 and no vote", () => {
    const fileSystem = newDirectory();
    assert.deepEqual(current(fileSystem), state(0));
    assert.deepEqual(fileSystem.list(directory), ["hard-state-1", "hard-state-2"]);
  });

  it("is the last one written, after any number of writes, also when the power goes", () => {
    const longest = "v".repeat(64);
    const states = [state(1), state(1, "a"), state(2), state(2 ** 52, longest)];
    for (let count = 1; count <= states.length; count++) {
      const fileSystem = written(...states.slice(0, count));
      fileSystem.crash(randomOf(count));
      assert.deepEqual(current(fileSystem), states[count - 1]);
    }
  });

  for (const [which, path] of COPIES.entries()) {
    it(`survives every flipped bit, every truncation and the loss of copy ${which + 1}`, () => {
      const fileSystem = written(state(6), state(7, "node-b"));
      const good = fileSystem.contents(path);
      const survives = (damaged: Uint8Array): void => {
        fileSystem.damage(path, () => damaged);
        assert.deepEqual(current(fileSystem), state(7, "node-b"));
      };
      for (let bit = 0; bit < good.length * 8; bit++) {
        const damaged = good.slice();
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        survives(damaged);
      }
      for (let size = 0; size < good.length; size++) survives(good.subarray(0, size));
      survives(Uint8Array.from([...good, 0]));
      fileSystem.remove(path);
      assert.deepEqual(current(fileSystem), state(7, "node-b"));
      assert.equal(fileSystem.list(directory).length, 2);
    });
  }

  it("is refused when no copy is good", () => {
    const fileSystem = written(state(7, "a"));
    for (const path of COPIES) {
      fileSystem.damage(path, (bytes) => bytes.fill(0, 30));
    }
    const before = COPIES.map((path) => fileSystem.contents(path));
    assert.throws(() => current(fileSystem), {
      code: "CORRUPTION",
      message: /no copy of the hard state in \/data is good/,
    });
    assert.deepEqual(
      COPIES.map((path) => fileSystem.contents(path)),
      before,
    );
    fileSystem.remove(COPIES[0] ?? "");
    assert.throws(() => current(fileSystem), { code: "CORRUPTION" });
  });

  it("is refused when the copies stand in each other's place", () => {
    const fileSystem = written(state(7, "a"));
    const [one, two] = COPIES.map((path) => fileSystem.contents(path));
    assert.ok(one !== undefined && two !== undefined);
    fileSystem.damage("/data/hard-state-1", () => two);
    fileSystem.damage("/data/hard-state-2", () => one);
    assert.throws(() => current(fileSystem), { code: "CORRUPTION" });
  });

  it("is refused when it is missing beside a log", () => {
    const fileSystem = newDirectory();
    fileSystem.makeDirectory("/data/log");
    assert.deepEqual(current(fileSystem), state(0));
    for (const path of COPIES) fileSystem.remove(path);
    fileSystem.open("/data/log/00000000000000000001.open", "create").close();
    assert.throws(() => current(fileSystem), {
      code: "CORRUPTION",
      message: /holds a log but no hard state/,
    });
  });

  it("never goes back behind a write that returned, wherever the machine stops", () => {
    const states = [state(1), state(1, "a"), state(2, "b"), state(5), state(5, "c")];
    let stops = 0;
    for (let seed = 0; seed < 20; seed++) {
      for (let call = 1; ; call++) {
        const fileSystem = newDirectory();
        fileSystem.haltAt(1 + call);
        let done = -1;
        try {
          const file = HardStateFile.open(fileSystem, directory);
          for (const next of states) {
            file.write(next);
            done += 1;
          }
        } catch (error) {
          assert.ok(error instanceof DatabaseError && error.code === "STORAGE_FAILED");
        }
        if (done === states.length - 1) break;
        fileSystem.crash(randomOf(seed * 1000 + call));
        const back = current(fileSystem);
        const allowed = [states[done] ?? state(0), states[done + 1]];
        assert.ok(
          allowed.some((each) => each?.term === back.term && each.vote === back.vote),
          `seed ${seed}, call ${call}: ${JSON.stringify(back)} after ${done + 1} writes`,
        );
        fileSystem.crash(randomOf(seed));
        assert.deepEqual(current(fileSystem), back);
        stops += 1;
      }
    }
    assert.ok(stops > 500, `${stops} stops`);
  });

  it("is written no more once a write has failed", () => {
    const fileSystem = newDirectory();
    const file = HardStateFile.open(fileSystem, directory);
    fileSystem.fail(({ kind }) => (kind === "datasync" ? "EIO" : undefined));
    const write = (): void => {
      file.write(state(1, "a"));
    };
    assert.throws(write, { code: "STORAGE_FAILED", message: /writing the hard state in \/data/ });
    fileSystem.fail(undefined);
    assert.throws(write, { code: "STORAGE_FAILED" });
    assert.deepEqual(file.current, state(0));
  });

  it("refuses a smaller term, and another vote in the same term", () => {
    const file = HardStateFile.open(newDirectory(), directory);
    file.write(state(5, "a"));
    for (const wrong of [state(4, "a"), state(5, "b"), state(5)]) {
      assert.throws(
        () => {
          file.write(wrong);
        },
        { name: "AssertionError" },
      );
    }
    file.write(state(5, "a"));
    file.write(state(6));
    assert.deepEqual(file.current, state(6));
  });
});
