/**
 * Every damage of one bit, and every loss of an end, that real data can suffer, as
 * numbered cases: each must give back exactly what was there, or a refusal that
 * names the file. Run in full by scripts/damage.js, in part by damage.test.ts.
 */
import assert from "node:assert/strict";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { HardStateFile } from "../../src/storage/hard-state.js";
import { claimIdentity } from "../../src/storage/identity.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import { Store } from "../../src/store/store.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";

const NO_ID = new Uint8Array(0);
const KEY_COUNT = 900;
/** A flip of each bit, and a cut before the byte. */
const CASES_PER_BYTE = 9;

/** What a case came to; anything else is thrown. */
export type DamageOutcome = "exact" | "refused";

/** Files that are read together, undamaged. */
interface Subject {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Everything that must come back, as one text. Throws what reading throws. */
  readonly read: (fileSystem: MemoryFileSystem) => string;
}

/** One file of a subject: the damages are its own. */
export interface DamagedFile {
  readonly subject: string;
  readonly path: string;
  readonly size: number;
  readonly caseCount: number;
  /** @param number from 0 to caseCount - 1 */
  tryCase(number: number): DamageOutcome;
}

/** Every file of every subject. */
export function damagedFiles(): readonly DamagedFile[] {
  return [logSubject(), hardStateSubject(), snapshotSubject(), identitySubject()].flatMap(
    damagedFilesOf,
  );
}

function damagedFilesOf(subject: Subject): readonly DamagedFile[] {
  const disk = diskOf(subject.files);
  const whole = subject.read(disk.copy());
  return [...subject.files].map(([path, { length: size }]) => ({
    subject: subject.name,
    path,
    size,
    caseCount: size * CASES_PER_BYTE,
    tryCase: (number) => {
      const damaged = disk.copy();
      damaged.damage(path, (contents) => damage(contents, number));
      return outcomeOf(path, whole, () => subject.read(damaged));
    },
  }));
}

/** Changes `bytes` in place. @returns what is left of them */
function damage(bytes: Uint8Array, number: number): Uint8Array {
  const at = Math.floor(number / CASES_PER_BYTE);
  const which = number % CASES_PER_BYTE;
  if (which === 8) return bytes.subarray(0, at);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << which);
  return bytes;
}

function outcomeOf(path: string, whole: string, read: () => string): DamageOutcome {
  let found;
  try {
    found = read();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    assert.ok(error.code === "CORRUPTION" || error.code === "WRONG_DIRECTORY", error.message);
    const name = path.slice(path.lastIndexOf("/") + 1);
    const isNamed = error.message.includes(name) || error.code === "WRONG_DIRECTORY";
    assert.ok(isNamed, `the refusal names ${name}: ${error.message}`);
    return "refused";
  }
  assert.ok(found === whole, `${path}: another state came back, without a word`);
  return "exact";
}

function diskOf(files: ReadonlyMap<string, Uint8Array>): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  for (const [path, bytes] of files) {
    fileSystem.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    const file = fileSystem.open(path, "create");
    file.write(bytes, 0);
    file.close();
  }
  // what is there is durable in a copy
  return fileSystem.copy();
}

function filesIn(fileSystem: MemoryFileSystem, directory: string): Map<string, Uint8Array> {
  const names = fileSystem.list(directory).filter((name) => !name.endsWith(".tmp"));
  return new Map(
    names.map((name) => [`${directory}/${name}`, fileSystem.contents(`${directory}/${name}`)]),
  );
}

/** Sealed segments and an open one, all of it flushed, as a killed process leaves it. */
function logSubject(): Subject {
  const directory = "/data/log";
  const options = { directory, clusterId: CLUSTER_ID, segmentSizeBytes: 16 * 1024 };
  const fileSystem = new MemoryFileSystem();
  const { log } = SegmentedLog.open({ ...options, fileSystem });
  for (const entry of putEntries(NOTHING, 130, randomOf(5), 1000)) {
    log.append([entry]);
    log.flush();
    log.noteFlushed();
  }
  const read = (disk: MemoryFileSystem): string => {
    const recovered = SegmentedLog.open({ ...options, fileSystem: disk }).log;
    const { firstIndex, lastIndex } = recovered;
    const all = lastIndex < firstIndex ? [] : recovered.read(firstIndex, lastIndex, Infinity);
    return all.map(({ index, term, checksum }) => `${index} ${term} ${checksum}`).join();
  };
  return { name: "log", files: filesIn(fileSystem, directory), read };
}

function hardStateSubject(): Subject {
  const fileSystem = new MemoryFileSystem();
  fileSystem.makeDirectory("/data");
  const file = HardStateFile.open(fileSystem, "/data");
  for (let term = 1; term <= 5; term++) {
    file.write({ term: Term(term), vote: undefined });
    file.write({ term: Term(term), vote: NodeId("node-2") });
  }
  const read = (disk: MemoryFileSystem): string => {
    return JSON.stringify(HardStateFile.open(disk, "/data").current);
  };
  return { name: "hard state", files: filesIn(fileSystem, "/data"), read };
}

function identitySubject(): Subject {
  const options = {
    ...{ clusterId: CLUSTER_ID, nodeId: NodeId("n1") },
    freshIncarnationId: "0123456789abcdef".repeat(2),
  };
  const fileSystem = new MemoryFileSystem();
  fileSystem.makeDirectory("/data");
  claimIdentity(fileSystem, "/data", options);
  const read = (disk: MemoryFileSystem): string => {
    return JSON.stringify(claimIdentity(disk, "/data", options));
  };
  return { name: "identity", files: filesIn(fileSystem, "/data"), read };
}

function snapshotSubject(): Subject {
  const directory = "/data/snapshots";
  const fileSystem = new MemoryFileSystem();
  const snapshots = new SnapshotDirectory(fileSystem, directory);
  const writer = snapshots.begin({
    ...{ clusterId: CLUSTER_ID, index: LogIndex(900), term: Term(2), checksum: 0xabc },
    ...{ revision: 901, time: 1_790_000_000_000 },
    configuration: { voters: [NodeId("n1"), NodeId("n2")], learners: [] },
    configurationIndex: LogIndex(1),
  });
  const view = filledStore().openView();
  for (let rows = view.next(1000); rows.length > 0; rows = view.next(1000)) writer.append(rows);
  view.close();
  writer.finish((error) => {
    assert.equal(error, undefined);
  });
  fileSystem.pump();
  const read = (disk: MemoryFileSystem): string => {
    const found = new SnapshotDirectory(disk, directory);
    const [name] = found.names;
    assert.ok(name !== undefined);
    const reader = found.open(name);
    while (reader.next(() => undefined));
    return `${JSON.stringify(reader.head)} ${reader.rowCount} ${reader.checksum}`;
  };
  return { name: "snapshot", files: filesIn(fileSystem, directory), read };
}

function filledStore(): Store {
  const store = new Store();
  for (let i = 0; i < KEY_COUNT; i++) {
    const key = new Uint8Array(Buffer.from(`key ${i}`));
    const value = new Uint8Array(Buffer.from(`${i} `.padEnd(50, "é")));
    const command = { kind: "put", key, value, condition: "none" } as const;
    store.apply({ id: NO_ID, commands: [command] }, 1000 + i);
  }
  return store;
}
