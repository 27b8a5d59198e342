/** `log verify`: every byte of a directory that has something of everything. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "mocha";
import { corruptionError, corruptions, verifyJson } from "../../src/console/verify-report.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { verifyDirectory, type DirectoryReport } from "../../src/storage/verification.js";
import { NOTHING, putEntries, randomOf } from "../storage/entries.js";
import { fingerprint, makeDirectory } from "./fixtures/data-directory.js";

const ENTRIES = putEntries(NOTHING, 60, randomOf(5), 900);

describe("log verify", () => {
  let root = "";
  let sound = "";
  let path = "";
  let count = 0;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "balsa-verify-"));
    sound = join(root, "sound");
    await makeDirectory(sound, ENTRIES, {
      snapshots: [30, 45],
      compactTo: 30,
      segmentSizeBytes: 4096,
      retention: { keep: "all" },
    });
  });
  beforeEach(() => {
    count += 1;
    path = join(root, String(count));
    cpSync(sound, path, { recursive: true });
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  function names(room: "log" | "snapshots"): readonly string[] {
    return readdirSync(join(path, room)).sort();
  }

  /** Reports damage in this very file, and nothing in others that do not hang on it. */
  function assertDamaged(report: DirectoryReport, file: string, what: string): void {
    const found = corruptions(report).filter((damage) => damage.file === file);
    assert.ok(found.length > 0, `${what}: ${JSON.stringify(report.damages)}`);
    assert.equal(corruptionError(report)?.exitCode, 8);
  }

  it("passes what is sound, counts all of it, and changes nothing", () => {
    const before = fingerprint(path);
    const told: number[] = [];
    const report = verifyDirectory(path, (done, all) => {
      assert.ok(done <= all);
      told.push(done / all);
    });
    assert.deepEqual(report.damages, []);
    const segments = names("log").length;
    assert.ok(report.archivedCount > 0 && report.segmentCount === segments);
    assert.deepEqual(
      [report.firstIndex, report.lastIndex, report.entryCount, report.snapshotCount],
      [1, 60, 60, 2],
    );
    assert.equal(told.at(-1), 1);
    assert.deepEqual(fingerprint(path), before);
    assert.equal(verifyJson(path, report)["sound"], true);
  });

  /** @returns how many it tried */
  function flipAll(
    directory: string,
    name: string,
    places: readonly (readonly [number, number])[],
  ): number {
    const file = join(directory, name);
    for (const [offset, bit] of places) {
      const bytes = readFileSync(file);
      bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
      writeFileSync(file, bytes);
      assertDamaged(verifyDirectory(directory), file, `${name} byte ${offset} bit ${bit}`);
      bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
      writeFileSync(file, bytes);
    }
    return places.length;
  }

  it("finds a bit flipped in any byte of the identity and of the hard state", async () => {
    const small = join(root, "small");
    await makeDirectory(small, ENTRIES.slice(0, 1));
    const { length } = readFileSync(join(small, "identity.json"));
    // All but the line's end, which is no part of it.
    const places = Array.from({ length: length - 1 }, (_, offset) => [offset, offset % 8] as const);
    flipAll(small, "identity.json", places);
    const bits = Array.from({ length: 94 }, (_, offset) => [offset, offset % 8] as const);
    for (const name of ["hard-state-1", "hard-state-2"]) flipAll(small, name, bits);
  });

  it("finds bits flipped all over segments, archive and snapshots", function () {
    this.timeout(1_800_000);
    const random = randomOf(9);
    let flips = 0;
    for (const room of ["log", "snapshots"] as const) {
      for (const name of names(room)) {
        const size = readFileSync(join(path, room, name)).length;
        const edges = [0, 3, 4, 100, size - 1, size - 17].map((offset) => [offset, 0] as const);
        const others = Array.from({ length: 30 }, () => {
          return [Math.floor(random() * size), Math.floor(random() * 8)] as const;
        });
        flips += flipAll(path, `${room}/${name}`, [...edges, ...others]);
      }
    }
    assert.ok(flips > 300, `${flips} flips`);
  });

  it("finds what is cut off, appended, gone or in a wrong place", () => {
    const [archived = "", ...rest] = names("log");
    const last = rest.at(-1) ?? "";
    const [snapshot = "", newer = ""] = names("snapshots");
    const cases: readonly {
      readonly what: string;
      readonly file: string;
      readonly spoil: (file: string) => void;
    }[] = [
      {
        what: "cut segment",
        file: `log/${last}`,
        spoil: (file) => {
          truncateSync(file, 3000);
        },
      },
      {
        what: "cut archive",
        file: `log/${archived}`,
        spoil: (file) => {
          truncateSync(file, 3000);
        },
      },
      {
        what: "longer segment",
        file: `log/${last}`,
        spoil: (file) => {
          appendFileSync(file, "x");
        },
      },
      {
        what: "cut snapshot",
        file: `snapshots/${newer}`,
        spoil: (file) => {
          truncateSync(file, 9999);
        },
      },
      {
        what: "empty snapshot",
        file: `snapshots/${newer}`,
        spoil: (file) => {
          truncateSync(file, 0);
        },
      },
      {
        what: "longer snapshot",
        file: `snapshots/${snapshot}`,
        spoil: (file) => {
          appendFileSync(file, "\0");
        },
      },
      {
        what: "another's name",
        file: `snapshots/${snapshot}`,
        spoil: (file) => {
          cpSync(join(path, "snapshots", newer), file);
        },
      },
      {
        what: "no identity",
        file: "identity.json",
        spoil: (file) => {
          rmSync(file);
        },
      },
      {
        what: "no JSON",
        file: "identity.json",
        spoil: (file) => {
          truncateSync(file, 20);
        },
      },
      {
        what: "short hard state",
        file: "hard-state-2",
        spoil: (file) => {
          truncateSync(file, 93);
        },
      },
      {
        what: "older hard state",
        file: "hard-state-1",
        spoil: (file) => {
          cpSync(join(path, "hard-state-2"), file);
        },
      },
    ];
    for (const { what, file, spoil } of cases) {
      const whole = join(path, file);
      const bytes = readFileSync(whole);
      spoil(whole);
      assertDamaged(verifyDirectory(path), whole, what);
      writeFileSync(whole, bytes);
    }
    assert.deepEqual(verifyDirectory(path).damages, []);
  });

  it("finds a segment that is missing, and a log without hard state", () => {
    const [, second = "", third = ""] = names("log").filter((name) => !name.startsWith("archive-"));
    renameSync(join(path, "log", second), join(root, `gone-${count}`));
    assertDamaged(verifyDirectory(path), join(path, "log", third), "a hole");
    renameSync(join(root, `gone-${count}`), join(path, "log", second));
    rmSync(join(path, "hard-state-1"));
    const one = verifyDirectory(path);
    assert.deepEqual(
      one.damages.map(({ file, harmless }) => ({ file, harmless })),
      [{ file: join(path, "hard-state-1"), harmless: true }],
    );
    rmSync(join(path, "hard-state-2"));
    assertDamaged(verifyDirectory(path), join(path, "hard-state-1"), "no hard state");
  });

  it("finds what belongs to another cluster", async () => {
    const foreign = join(root, `foreign-${count}`);
    await makeDirectory(foreign, [], { clusterId: "f".repeat(32) });
    cpSync(join(foreign, "identity.json"), join(path, "identity.json"));
    const files = new Set(corruptions(verifyDirectory(path)).map(({ file }) => file));
    assert.equal(files.size, names("log").length + names("snapshots").length);
  });

  it("finds a term that lies behind the log", async () => {
    const newer = join(root, `newer-${count}`);
    const entries = putEntries({ ...NOTHING, term: 4 }, 5, randomOf(1), 10);
    await makeDirectory(newer, entries);
    for (const name of ["hard-state-1", "hard-state-2"])
      cpSync(join(sound, name), join(newer, name));
    const [damage] = corruptions(verifyDirectory(newer));
    assert.match(damage?.reason ?? "", /it is of term 1, and the log's last entry of term 4/);
  });

  it("passes over a hole in the archive, where a snapshot took the log's place", () => {
    const archived = names("log").filter((name) => name.startsWith("archive-"));
    assert.ok(archived.length >= 3);
    rmSync(join(path, "log", archived[1] ?? ""));
    const report = verifyDirectory(path);
    assert.deepEqual(report.damages, []);
    assert.ok(report.entryCount < 60);
  });

  it("passes over what is unfinished, and what is gone when its turn comes", () => {
    writeFileSync(join(path, "snapshots", "x.tmp"), "x");
    writeFileSync(join(path, "snapshots", "1-1.20-00000000.part"), "x");
    const [first = ""] = names("snapshots").filter((name) => name.endsWith(".avro"));
    class Vanishing extends NodeFileSystem {
      override open(...[file, mode]: Parameters<NodeFileSystem["open"]>) {
        if (file.endsWith(first)) rmSync(file, { force: true });
        return super.open(file, mode);
      }
    }
    const report = verifyDirectory(path, undefined, new Vanishing());
    assert.deepEqual([report.damages, report.snapshotCount], [[], 1]);
  });

  it("says that a log is dropped by the next start when a snapshot stands for another", async () => {
    const other = join(root, `other-${count}`);
    await makeDirectory(other, putEntries(NOTHING, 50, randomOf(77), 900), { snapshots: [45] });
    const [name = ""] = readdirSync(join(other, "snapshots"));
    cpSync(join(other, "snapshots", name), join(path, "snapshots", name));
    const report = verifyDirectory(path);
    assert.deepEqual(corruptions(report), []);
    assert.match(report.damages[0]?.reason ?? "", /another entry 45; the next start drops/);
  });
});
