/**
 * A snapshot becomes the data directory of a node of a new cluster
 * (docs/decisions/0007).
 *
 * The state is the snapshot's, with two differences. Its revision is raised beyond
 * everything that the old cluster can have told anybody after the snapshot, and all
 * before is compacted: whoever comes with a revision of the old life is told so, and
 * never sees another change under it. And transactions that were open are gone: what
 * was staged in them after the snapshot is lost, and half of one must not be committed.
 *
 * The cluster's id is that of its members, salted with the snapshot: equal for all
 * directories made of the same file with the same arguments, and different from the
 * old cluster's, whose members are refused at the handshake.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, NodeId } from "../raft/types.js";
import { HardStateFile } from "../storage/hard-state.js";
import { claimIdentity } from "../storage/identity.js";
import { fileDigest, readSnapshot, type SnapshotSummary } from "../storage/kept-snapshot.js";
import { NodeFileSystem } from "../storage/node-file-system.js";
import { SnapshotDirectory } from "../storage/snapshot-directory.js";
import { stateRow, type StateRow } from "../store/state-row.js";
import type { StateRestore } from "../store/state-restore.js";
import { Store } from "../store/store.js";
import { clusterIdOf } from "./settings.js";

/** Revisions that a cluster makes between two backups, and then some; etcd's own advice. */
export const REVISION_BUMP_DEFAULT = 1_000_000_000;

export interface RestoreOptions {
  /** the snapshot */
  readonly file: string;
  /** the data directory to be made; absent, or empty */
  readonly dataDirectory: string;
  readonly id: string;
  /** every voter's peer address by id, this node's included */
  readonly cluster: ReadonlyMap<string, string>;
  /** at least 1 */
  readonly revisionBump: number;
  /** told apart from other restores of the same file for the same members; may be empty */
  readonly name: string;
  /** bytes done and bytes in all */
  readonly onProgress: (done: number, all: number) => void;
}

export interface Restored {
  readonly clusterId: string;
  /** of the store, raised */
  readonly revision: number;
  /** what it was made of */
  readonly source: SnapshotSummary;
}

const PAGE = { countMax: 1024, sizeMax: 1024 * 1024 };
const ROWS_SIZE = 256 * 1024;
const NO_KEY = new Uint8Array(0);
/** What belongs to open transactions. */
const LEFT_OUT: ReadonlySet<string> = new Set(["transaction", "staged", "savepoint", "read"]);

/**
 * Makes the directory, whole or not at all.
 *
 * @throws {DatabaseError} INVALID_ARGUMENT when the directory is not empty or the revision would be too great;
 *   CORRUPTION when the snapshot is damaged; Node's own errors
 */
export async function restoreDirectory(options: RestoreOptions): Promise<Restored> {
  const { file, id, cluster, revisionBump, name, onProgress } = options;
  assert(revisionBump >= 1, "a revision is never told twice");
  assert(cluster.has(id), "a node is a member of its cluster");
  const target = resolve(options.dataDirectory);
  checkEmpty(target);
  const store = new Store();
  const { source, restore } = load(file, store, onProgress);
  restore.finish();
  const revision = store.revision + revisionBump;
  if (!Number.isSafeInteger(revision + REVISION_BUMP_DEFAULT))
    throw new DatabaseError("INVALID_ARGUMENT", `revision ${revision} leaves no room to grow`);
  const salt = saltOf(fileDigest(file), revisionBump, name);
  const clusterId = clusterIdOf(cluster, salt);
  const head: SnapshotHead = {
    ...source.head,
    clusterId,
    // Another chain: the restored log is not the old one's continuation.
    checksum: crc32(clusterId, source.head.checksum),
    revision,
    configuration: { voters: [...cluster.keys()].toSorted().map(NodeId), learners: [] },
    configurationIndex: LogIndex(0),
  };
  const temporary = `${target}.restoring`;
  rmSync(temporary, { recursive: true, force: true });
  try {
    await write(temporary, head, restoredRows(store, revision));
    seal(temporary, { id: NodeId(id), clusterId, salt, head });
    if (existsSync(target)) rmdirSync(target);
    renameSync(temporary, target);
    new NodeFileSystem().syncDirectory(dirname(target));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  return { clusterId, revision, source };
}

function checkEmpty(directory: string): void {
  const fileSystem = new NodeFileSystem();
  if (!fileSystem.exists(directory) || fileSystem.list(directory).length === 0) return;
  throw new DatabaseError(
    "INVALID_ARGUMENT",
    `${directory} is not empty: a snapshot is restored into a directory of its own`,
  );
}

/** Reads the snapshot into a store: what is in no order or makes no sense is refused on the way. */
function load(
  file: string,
  store: Store,
  onProgress: RestoreOptions["onProgress"],
): { readonly source: SnapshotSummary; readonly restore: StateRestore } {
  const restore = store.beginRestore();
  const add = (row: StateRow): void => {
    restore.add(row);
  };
  return { source: readSnapshot(file, add, onProgress), restore };
}

/** 32 hex digits that stand for what is restored, and how. */
function saltOf(digest: string, revisionBump: number, name: string): string {
  const text = `balsa restore\n${digest}\n${revisionBump}\n${name}\n`;
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** The rows of the new state: all before `revision` compacted, no open transaction. */
function* restoredRows(store: Store, revision: number): Generator<StateRow> {
  const view = store.openView();
  let keysWritten = false;
  for (let rows = view.next(ROWS_SIZE); rows.length > 0; rows = view.next(ROWS_SIZE)) {
    for (const row of rows) {
      switch (row.kind) {
        case "store":
          yield { ...row, createRevision: revision, modRevision: revision };
          break;
        case "clock":
          yield { ...row, createRevision: store.logTime };
          break;
        case "key":
        case "put":
        case "delete":
          // History is compacted: what is left of all these rows is the keys that are there.
          if (!keysWritten) yield* currentKeys(store);
          keysWritten = true;
          break;
        default:
          if (!LEFT_OUT.has(row.kind)) yield row;
      }
    }
  }
  view.close();
}

function* currentKeys(store: Store): Generator<StateRow> {
  for (let from = NO_KEY; ;) {
    const { keyValues, more } = store.range(from, NO_KEY, PAGE.countMax, PAGE.sizeMax);
    for (const record of keyValues) yield stateRow("key", { ...record });
    const last = keyValues.at(-1);
    if (!more || last === undefined) return;
    from = new Uint8Array([...last.key, 0]);
  }
}

/** Writes the snapshot as a node does, and reads it back as a node will. */
async function write(
  directory: string,
  head: SnapshotHead,
  rows: Generator<StateRow>,
): Promise<void> {
  const fileSystem = new NodeFileSystem();
  fileSystem.makeDirectory(`${directory}/log`);
  const snapshots = new SnapshotDirectory(fileSystem, `${directory}/snapshots`);
  const writer = snapshots.begin(head);
  for (const row of rows) writer.add(row);
  await new Promise<void>((done, fail) => {
    writer.finish((error) => {
      if (error === undefined) done();
      else fail(error);
    });
  });
  const [name] = snapshots.names;
  assert(name !== undefined, "what was written is there");
  load(`${directory}/snapshots/${name.file}`, new Store(), () => undefined).restore.finish();
}

interface Sealing {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly salt: string;
  readonly head: SnapshotHead;
}

/** Hard state, and last the identity, without which no node starts on it. */
function seal(directory: string, { id, clusterId, salt, head }: Sealing): void {
  const fileSystem = new NodeFileSystem();
  const hardState = HardStateFile.open(fileSystem, directory);
  hardState.write({ term: head.term, vote: undefined });
  hardState.close();
  const freshIncarnationId = randomBytes(16).toString("hex");
  claimIdentity(fileSystem, directory, {
    clusterId,
    nodeId: id,
    freshIncarnationId,
    salt,
    isPrepared: true,
  });
  fileSystem.syncDirectory(directory);
}
