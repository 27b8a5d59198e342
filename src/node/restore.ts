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
import type { SnapshotDirectory, SnapshotName } from "../storage/snapshot-directory.js";
import type { Store } from "../store/store.js";
import type { Clock } from "./clock.js";
import { RecoveryProgress } from "./recovery-progress.js";

/** @returns the head of the snapshot that `store` now holds; undefined when there is none */
export function restoreNewest(
  directory: SnapshotDirectory,
  store: Store,
  clock: Clock,
  notice: (line: string) => void,
): SnapshotHead | undefined {
  for (const name of directory.names.toReversed()) {
    try {
      const doing = `loading the snapshot of entry ${name.index}`;
      return load(directory, name, store, notice, new RecoveryProgress(clock, notice, doing));
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "CORRUPTION") throw error;
      notice(`passed over: ${error.message}`);
    }
  }
  return undefined;
}

function load(
  directory: SnapshotDirectory,
  name: SnapshotName,
  store: Store,
  notice: (line: string) => void,
  progress: RecoveryProgress,
): SnapshotHead {
  const reader = directory.open(name);
  try {
    const restore = store.beginRestore("at-once");
    restore.expect(reader.expectedRowCount());
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
