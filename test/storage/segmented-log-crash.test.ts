import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import type { Entry } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { contentOf, Life, openLog } from "./crash-life.js";
import { NOTHING, putEntry, randomOf } from "./entries.js";

type Stop = "power" | "kill";

/** Lives until the file system halts at call `haltAt`, then stops the machine. @returns whether it got that far */
async function liveUntil(
  seed: number,
  steps: number,
  haltAt: number,
  stop: Stop,
): Promise<Life | undefined> {
  const fileSystem = new MemoryFileSystem();
  const life = new Life(seed, fileSystem);
  fileSystem.haltAt(haltAt);
  let halted = false;
  try {
    await life.run(steps);
  } catch (error) {
    if (fileSystem.operationCount < haltAt || !(error instanceof DatabaseError)) throw error;
    assert.equal(error.code, "STORAGE_FAILED");
    halted = true;
  }
  if (stop === "power") fileSystem.crash(randomOf(seed * 1_000_003 + haltAt));
  else fileSystem.kill();
  return halted ? life : undefined;
}

/** Entries with the same last checksum are the same entries. */
function checksums(entries: readonly Entry[]): readonly number[] {
  return entries.map(({ checksum }) => checksum);
}

/** Recovers, checks, recovers again after a stop in the middle and after none, and lives on. */
function checkRecovery(life: Life, seed: number, stop: Stop): boolean {
  const { fileSystem } = life;
  const random = randomOf(seed);
  // a stop within recovery, at times twice
  for (let times = Math.floor(random() * 3); times > 0; times--) {
    fileSystem.haltAt(fileSystem.operationCount + 1 + Math.floor(random() * 40));
    try {
      openLog(fileSystem);
    } catch (error) {
      assert.ok(error instanceof DatabaseError && error.code === "STORAGE_FAILED", String(error));
    }
    if (stop === "power") fileSystem.crash(random);
    else fileSystem.kill();
  }
  const { log, report } = openLog(fileSystem);
  const recovered = contentOf(log);
  life.check(recovered, stop);
  // all that recovery gave back is durable, and recovering it again changes nothing
  fileSystem.crash(random);
  const again = openLog(fileSystem);
  assert.equal(again.report.tornByteCount, 0, "a torn write is dropped once");
  assert.deepEqual(checksums(contentOf(again.log)), checksums(recovered));
  const next = putEntry(recovered.at(-1) ?? NOTHING, new Uint8Array(700).fill(5), 1_000_000);
  again.log.append([next]);
  again.log.close();
  assert.deepEqual(checksums(contentOf(openLog(fileSystem).log)), checksums([...recovered, next]));
  return report.tornByteCount > 0;
}

/** Stops the life of `seed` at every `stride`-th call. @returns how many stops, and how many left a torn write */
async function stopEverywhere(
  seed: number,
  stride: number,
): Promise<{ readonly stops: number; readonly torn: number }> {
  let stops = 0;
  let torn = 0;
  for (let call = 1 + (seed % stride); ; call += stride) {
    const stop: Stop = (seed + call) % 4 === 0 ? "kill" : "power";
    const life = await liveUntil(seed, 40, call, stop);
    if (life === undefined) return { stops, torn };
    try {
      if (checkRecovery(life, seed * 31 + call, stop)) torn += 1;
    } catch (error) {
      throw new Error(`seed ${seed}, stopped by ${stop} at call ${call}`, { cause: error });
    }
    stops += 1;
  }
}

describe("a log whose machine stops", () => {
  it("at every single call, keeps what was flushed, invents nothing, and recovers alike twice", async () => {
    let stops = 0;
    let torn = 0;
    for (let seed = 1; seed <= 4; seed++) {
      const result = await stopEverywhere(seed, 1);
      stops += result.stops;
      torn += result.torn;
    }
    assert.ok(stops > 1000, `${stops} stops`);
    assert.ok(torn > 30, `${torn} torn writes`);
  });

  it("somewhere in eighty other lives, once or more in each, does the same", async () => {
    let stops = 0;
    for (let seed = 1001; seed <= 1080; seed++) stops += (await stopEverywhere(seed, 61)).stops;
    assert.ok(stops > 240, `${stops} stops`);
  });
});
