/**
 * At the start: the newest whole snapshot is loaded, and the log goes on from it.
 *
 * A damaged snapshot is passed over for the one before it, or for none: whether
 * that does, the log decides, which must then reach back so far (it is kept to the
 * older of two snapshots); where it does not, opening it says CORRUPTION.
 */
import type { SnapshotHead } from "../codec/snapshot.js";
import type { TakeRow } from "../codec/snapshot-decoder.js";
import { DatabaseError } from "../errors.js";
import type { LogIndex } from "../raft/types.js";
import type { SnapshotDirectory, SnapshotName } from "../storage/snapshot-directory.js";
import type { Store } from "../store/store.js";
import type { Clock } from "./clock.js";
import { RecoveryProgress } from "./recovery-progress.js";

export interface RestoreParts {
  readonly directory: SnapshotDirectory;
  readonly store: Pick<Store, "beginRestore">;
  readonly clock: Clock;
  readonly notice: (line: string) => void;
  /** bytes of log behind an entry, about */
  readonly sizeBehind: (index: LogIndex) => number;
}

/** @returns the head of the snapshot that `store` now holds; undefined when there is none */
export function restoreNewest(parts: RestoreParts): SnapshotHead | undefined {
  const { directory, notice } = parts;
  for (const name of directory.names.toReversed()) {
    try {
      return load(parts, name);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "CORRUPTION") throw error;
      notice(`passed over: ${error.message}`);
    }
  }
  return undefined;
}

function load(
  { directory, store, clock, notice, sizeBehind }: RestoreParts,
  name: SnapshotName,
): SnapshotHead {
  const progress = new RecoveryProgress(
    clock,
    notice,
    `loading the snapshot of entry ${name.index}`,
  );
  const reader = directory.open(name);
  try {
    const restore = store.beginRestore("at-once");
    const rowCount = reader.expectedRowCount();
    let revision = 1;
    reader.next((row) => {
      revision = row.modRevision;
      restore.add(row);
    }, 1);
    // As many of the changes behind it are of new keys as of those before it were: the table is made
    // for them too, or it would be made again and again while they come.
    const changeCount = (sizeBehind(reader.head.index) / reader.size) * rowCount;
    const newPart = Math.min(1, rowCount / revision);
    restore.expect(Math.floor(rowCount + newPart * changeCount));
    const take: TakeRow = (row) => {
      restore.add(row);
    };
    while (reader.next(take)) progress.tell(reader.offset, reader.size);
    restore.finish();
    directory.noteWhole(reader);
    notice(`loaded the snapshot of entry ${reader.head.index}: ${reader.rowCount} rows`);
    return reader.head;
  } finally {
    reader.close();
  }
}
