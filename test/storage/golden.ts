/**
 * The golden data directory: what this version writes for one fixed life of a node,
 * committed under test/storage/golden/, byte for byte. It must stay readable by
 * every later version. A change of the format is a new version beside it, never
 * another golden directory of the same one.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { decodeRequests, entrySealer, entryTime } from "../../src/codec/block.js";
import { restoreNewest } from "../../src/node/restore.js";
import { LogIndex, NodeId, Term, type Entry, type EntryPosition } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import type { FileSystem } from "../../src/storage/file-system.js";
import { HardStateFile } from "../../src/storage/hard-state.js";
import { claimIdentity } from "../../src/storage/identity.js";
import type { LogBase } from "../../src/storage/log-storage.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import type { Command, Request } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { CLUSTER_ID } from "./entries.js";
import { sealRequests } from "../codec/seal-requests.js";

export const GOLDEN_DIRECTORY = path.resolve(
  import.meta.dirname,
  "../../../test/storage/golden/version-1",
);
const ROOT = "/data";
const TIME = 1_790_000_000_000;
const NODE_ID = NodeId("golden");
const SEGMENT_SIZE = 4096;
const SNAPSHOT_INDEX = 20;
const ENTRY_COUNT = 55;

/** What a directory gives back, as JSON. */
export interface GoldenContent {
  readonly identity: unknown;
  readonly hardState: unknown;
  readonly snapshot: { readonly index: number; readonly rowCount: number } | undefined;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastChecksum: number;
  readonly tornByteCount: number;
  readonly revision: number;
  readonly keys: Readonly<Record<string, string>>;
  readonly stateHash: unknown;
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/** Every kind of command a log of this version holds in a plain row. */
function commandsOf(index: number): readonly Command[] {
  const key = bytes(`key ${index % 7}`);
  switch (index % 6) {
    case 0:
      return [{ kind: "delete", key }];
    case 1:
      return [{ kind: "increment", key: bytes("counter"), by: BigInt(index) }];
    case 2:
      return [{ kind: "append", key: bytes("tail"), value: bytes("é") }];
    case 3:
      return [{ kind: "put", key, value: new Uint8Array(200).fill(index), condition: "absent" }];
    case 4:
      return [{ kind: "deleteRange", key: bytes("key 5"), end: bytes("key 6") }];
    default:
      return [
        { kind: "put", key, value: bytes(`value ${index}`), condition: "none" },
        { kind: "put", key: bytes("last"), value: bytes(String(index)), condition: "none" },
      ];
  }
}

function entryAt(position: EntryPosition): Entry {
  const { index } = position;
  const sealer = entrySealer(() => TIME + index);
  if (index === 1)
    return sealer.configuration(position, { voters: [NODE_ID], learners: [NodeId("learner")] });
  if (index === 2) return sealer.noop(position);
  const id = index % 5 === 0 ? new Uint8Array(16).fill(index) : new Uint8Array(0);
  const request: Request = { id, commands: commandsOf(index) };
  return sealRequests(position, TIME + index, [
    request,
    {
      id: new Uint8Array(0),
      commands: [
        {
          kind: "put",
          key: bytes("padding"),
          value: new Uint8Array(120).fill(index),
          condition: "none",
        },
      ],
    },
  ]);
}

function openLog(fileSystem: FileSystem, base: LogBase | undefined) {
  return SegmentedLog.open({
    ...{
      fileSystem,
      directory: `${ROOT}/log`,
      clusterId: CLUSTER_ID,
      segmentSizeBytes: SEGMENT_SIZE,
    },
    ...(base === undefined ? {} : { base }),
  });
}

function apply(store: Store, entry: Entry): void {
  if (entry.kind !== "commands") return;
  for (const request of decodeRequests(entry)) store.apply(request, entryTime(entry));
}

/** The fixed life, which ends with kill -9. @returns the files by path */
export function writeGolden(): ReadonlyMap<string, Uint8Array> {
  const fileSystem = new MemoryFileSystem();
  fileSystem.makeDirectory(ROOT);
  claimIdentity(fileSystem, ROOT, {
    ...{ clusterId: CLUSTER_ID, nodeId: NODE_ID },
    freshIncarnationId: "0123456789abcdef".repeat(2),
  });
  const hardState = HardStateFile.open(fileSystem, ROOT);
  hardState.write({ term: Term(3), vote: NODE_ID });
  const { log } = openLog(fileSystem, undefined);
  const store = new Store();
  for (let index = 1; index <= ENTRY_COUNT; index += 1) {
    const previousChecksum = log.checksum(log.lastIndex);
    const entry = entryAt({
      index: LogIndex(index),
      term: Term(1 + Math.floor(index / 12)),
      previousChecksum,
    });
    log.append([entry]);
    log.flush();
    log.noteFlushed();
    if (index > SNAPSHOT_INDEX) continue;
    apply(store, entry);
    if (index === SNAPSHOT_INDEX) takeSnapshot(fileSystem, store, entry);
  }
  log.compactTo(LogIndex(14));
  fileSystem.kill();
  const files = new Map<string, Uint8Array>();
  for (const directory of ["", "/log", "/snapshots"]) {
    for (const name of fileSystem.list(ROOT + directory)) {
      if (name.endsWith(".tmp") || name === "log" || name === "snapshots") continue;
      files.set(
        `${directory}/${name}`.slice(1),
        fileSystem.contents(`${ROOT}${directory}/${name}`),
      );
    }
  }
  return files;
}

function takeSnapshot(fileSystem: MemoryFileSystem, store: Store, entry: Entry): void {
  const snapshots = new SnapshotDirectory(fileSystem, `${ROOT}/snapshots`);
  const { index, term, checksum } = entry;
  const writer = snapshots.begin({
    ...{ clusterId: CLUSTER_ID, index, term, checksum },
    ...{ revision: store.revision, time: store.logTime },
    configuration: { voters: [NODE_ID], learners: [NodeId("learner")] },
    configurationIndex: LogIndex(1),
  });
  const view = store.openView();
  for (let rows = view.next(1000); rows.length > 0; rows = view.next(1000)) writer.append(rows);
  view.close();
  writer.finish((error) => {
    assert.equal(error, undefined);
  });
  fileSystem.pump();
}

/** Recovers a node from such files, and tells all it knows. */
export function readGolden(files: ReadonlyMap<string, Uint8Array>): GoldenContent {
  const fileSystem = new MemoryFileSystem();
  for (const [name, content] of files) {
    const to = `${ROOT}/${name}`;
    fileSystem.makeDirectory(path.posix.dirname(to));
    const file = fileSystem.open(to, "create");
    file.write(content, 0);
    file.close();
  }
  const identity = claimIdentity(fileSystem, ROOT, {
    ...{ clusterId: CLUSTER_ID, nodeId: NODE_ID, freshIncarnationId: "f".repeat(32) },
  });
  const hardState = HardStateFile.open(fileSystem, ROOT).current;
  const store = new Store();
  const snapshots = new SnapshotDirectory(fileSystem, `${ROOT}/snapshots`);
  const lines: string[] = [];
  const clock = {
    ...{ now: () => 0, wallTime: () => 0 },
    ...{ start: () => undefined, stop: () => undefined, defer: () => undefined },
    ...{ later: () => undefined, idleTime: () => 0 },
  };
  const restored = restoreNewest({
    ...{ directory: snapshots, store, clock },
    notice: (line) => lines.push(line),
    sizeBehind: () => 0,
  });
  const { log, report } = openLog(fileSystem, restored);
  const behind = LogIndex((restored?.index ?? 0) + 1);
  for (const entry of log.read(behind, log.lastIndex, Infinity)) apply(store, entry);
  const keys = [...store.range(new Uint8Array(0), new Uint8Array(0), Infinity, Infinity).keyValues];
  return {
    identity,
    hardState,
    snapshot: restored && {
      index: restored.index,
      rowCount: Number(/(\d+) rows/.exec(lines.join())?.[1]),
    },
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    lastChecksum: log.checksum(log.lastIndex),
    tornByteCount: report.tornByteCount,
    revision: store.revision,
    keys: Object.fromEntries(
      keys.map(({ key, value }) => [
        Buffer.from(key).toString(),
        Buffer.from(value).toString("base64"),
      ]),
    ),
    stateHash: store.stateHash(),
  };
}
