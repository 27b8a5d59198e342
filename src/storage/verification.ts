/**
 * Every byte of a data directory, read and judged: identity, log with its archive,
 * hard state, snapshots, and whether they fit each other. Read-only, without a
 * lock; the node that owns the directory may be running.
 *
 * What a crash leaves behind and the next start sets right is told as harmless, all
 * else is damage. Names that end in `.tmp` or `.part` are unfinished and not looked at.
 */
import { SnapshotReader } from "./snapshot-file.js";
import { DatabaseError } from "../errors.js";
import type { LogIndex } from "../raft/types.js";
import type { FileSystem } from "./file-system.js";
import { readHardStateCopies } from "./hard-state.js";
import { FORMAT_VERSION, readIdentityFile, type Identity } from "./identity.js";
import { NodeFileSystem } from "./node-file-system.js";
import { OfflineLog, type VerifyReport } from "./offline-log.js";
import { snapshotNames } from "./offline-snapshots.js";

/** One thing found wrong. */
export interface Damage {
  readonly file: string;
  readonly offset: number;
  /** of the log, where it is about an entry */
  readonly index: number | undefined;
  readonly reason: string;
  /** whether a crash can have left it, nobody can have been told of it, and the next start sets it right */
  readonly harmless: boolean;
}

export interface DirectoryReport extends Omit<VerifyReport, "damages"> {
  /** of the segments, those in the archive */
  readonly archivedCount: number;
  readonly snapshotCount: number;
  readonly damages: readonly Damage[];
}

/**
 * @param onProgress gets bytes done and bytes in all
 * @throws {DatabaseError} INVALID_ARGUMENT when it holds no log; Node's own errors
 */
export function verifyDirectory(
  path: string,
  onProgress: (done: number, all: number) => void = () => undefined,
  fileSystem: FileSystem = new NodeFileSystem(),
): DirectoryReport {
  const log = OfflineLog.open(path, { fileSystem, archive: true });
  try {
    const snapshots = sizesOf(fileSystem, path);
    const snapshotsSize = snapshots.reduce((sum, { size }) => sum + size, 0);
    let logSize = 0;
    // The log before the hard state: a running node's term may only be ahead of it.
    const { damages: logDamages, ...report } = log.verify((done, all) => {
      logSize = all;
      onProgress(done, all + snapshotsSize);
    });
    let done = logSize;
    const snapshotDamages = snapshots.flatMap(({ file, size }) => {
      const found = verifySnapshot(fileSystem, file, log, (read) => {
        onProgress(done + read, logSize + snapshotsSize);
      });
      done += size;
      return found;
    });
    return {
      ...report,
      archivedCount: log.archivedCount,
      snapshotCount: snapshots.length,
      damages: [
        ...verifyIdentity(fileSystem, path),
        ...verifyHardState(fileSystem, path, log),
        ...logDamages.map(({ torn, ...damage }) => ({ ...damage, harmless: torn })),
        ...snapshotDamages,
      ],
    };
  } finally {
    log.close();
  }
}

interface FileSize {
  readonly file: string;
  readonly size: number;
}

/** The snapshots that are there, oldest first. */
function sizesOf(fileSystem: FileSystem, path: string): readonly FileSize[] {
  return snapshotNames(fileSystem, path).flatMap((name) => {
    const file = `${path}/snapshots/${name}`;
    try {
      const opened = fileSystem.open(file, "read");
      try {
        return [{ file, size: opened.size() }];
      } finally {
        opened.close();
      }
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  });
}

function verifyIdentity(fileSystem: FileSystem, path: string): readonly Damage[] {
  const file = `${path}/identity.json`;
  const found = identityOrReason(fileSystem, path);
  if (typeof found === "string") return [damage(file, 0, found)];
  const { formatVersion } = found;
  if (formatVersion === FORMAT_VERSION) return [];
  return [damage(file, 0, `it is of format version ${formatVersion}, this is ${FORMAT_VERSION}`)];
}

function identityOrReason(fileSystem: FileSystem, path: string): Identity | string {
  try {
    return readIdentityFile(fileSystem, path) ?? "it is missing: nothing tells whose this is";
  } catch (error) {
    if (error instanceof DatabaseError) return "it is not a data directory's identity";
    throw error;
  }
}

function verifyHardState(fileSystem: FileSystem, path: string, log: OfflineLog): readonly Damage[] {
  const copies = readHardStateCopies(fileSystem, path);
  const good = copies.flatMap(({ hardState }) => (hardState === undefined ? [] : [hardState]));
  const damages = copies.flatMap(({ file, isMissing, hardState }): readonly Damage[] => {
    if (hardState !== undefined) return [];
    if (!isMissing)
      return [damage(file, 0, "it is not a copy of the hard state: its bytes are damaged")];
    // The first start makes the copies one after the other.
    if (good.length > 0 || log.lastIndex === 0)
      return [{ ...damage(file, 0, "it is missing; the next start makes it"), harmless: true }];
    return [damage(file, 0, "it is missing, though there is a log")];
  });
  const term = Math.max(0, ...good.map((hardState) => hardState.term));
  const lastTerm = termAtEnd(log);
  if (good.length > 0 && lastTerm > term)
    damages.push(
      damage(
        copies[0].file,
        16,
        `it is of term ${term}, and the log's last entry of term ${lastTerm}`,
      ),
    );
  return damages;
}

function termAtEnd(log: OfflineLog): number {
  try {
    return log.checksumAt(log.lastIndex)?.term ?? 0;
  } catch (error) {
    // The log's own damage is told where it is.
    if (error instanceof DatabaseError) return 0;
    throw error;
  }
}

function verifySnapshot(
  fileSystem: FileSystem,
  path: string,
  log: OfflineLog,
  onRead: (offset: number) => void,
): readonly Damage[] {
  let file;
  try {
    file = fileSystem.open(path, "read");
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
  let reader: SnapshotReader | undefined;
  try {
    reader = new SnapshotReader(file);
    while (reader.next(() => undefined)) onRead(reader.offset);
    return misfits(path, reader, log);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const reason = error.message.replace(/^snapshot .*, offset \d+: /, "");
    return [damage(path, reader?.offset ?? 0, reason)];
  } finally {
    file.close();
  }
}

/** Where a whole snapshot does not fit its name, its directory or the log beside it. */
function misfits(path: string, { head }: SnapshotReader, log: OfflineLog): readonly Damage[] {
  const digits = (number: number): string => String(number).padStart(20, "0");
  if (!path.endsWith(`/${digits(head.index)}-${digits(head.term)}.avro`))
    return [damage(path, 0, `it holds entry ${head.index} of term ${head.term}`)];
  const clusterId = log.identity?.clusterId;
  if (clusterId !== undefined && head.clusterId !== clusterId)
    return [
      damage(path, 0, `it belongs to cluster ${head.clusterId}, the directory to ${clusterId}`),
    ];
  const point = pointAt(log, head.index);
  if (point === undefined || (point.term === head.term && point.checksum === head.checksum)) {
    return [];
  }
  // A leader's snapshot got its name, and the log that it replaces was not removed yet.
  const reason = `the log holds another entry ${head.index}; the next start drops that log`;
  return [{ ...damage(path, 0, reason), index: head.index, harmless: true }];
}

function pointAt(log: OfflineLog, index: LogIndex): ReturnType<OfflineLog["checksumAt"]> {
  try {
    return log.checksumAt(index);
  } catch (error) {
    if (error instanceof DatabaseError) return undefined;
    throw error;
  }
}

function damage(file: string, offset: number, reason: string): Damage {
  return { file, offset, index: undefined, reason, harmless: false };
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
