/** A snapshot brought to where it is kept: from a node that runs, or from a directory. */
import type { RemoteDatabase } from "../client/remote-database.js";
import { DatabaseError } from "../errors.js";
import type { SnapshotSummary } from "../storage/kept-snapshot.js";
import type { WholeFile } from "../storage/whole-file.js";
import { CommandError, EXIT } from "./failure.js";

/** Times a transfer is begun anew: another node answers, or bytes came damaged. */
const ATTEMPTS_MAX = 3;

/**
 * Has a node write a snapshot and fetches it, checked as a whole.
 * @throws {DatabaseError} CORRUPTION when what came is not what was announced
 */
export async function fetchSnapshot(
  database: RemoteDatabase,
  writer: WholeFile,
  onProgress: (done: number, all: number) => void,
): Promise<SnapshotSummary> {
  const { finishSnapshot } = await import("../storage/kept-snapshot.js");
  for (let attempt = 1; ; attempt += 1) {
    const saved = await database.saveSnapshot();
    try {
      while (writer.size < saved.size) {
        const bytes = await database.readSaved(saved, writer.size);
        if (bytes.length === 0) break;
        writer.write(bytes);
        onProgress(writer.size, saved.size);
      }
      if (writer.size === saved.size && writer.checksum === saved.fileChecksum)
        return finishSnapshot(writer);
      if (attempt === ATTEMPTS_MAX)
        throw new DatabaseError(
          "CORRUPTION",
          "the snapshot came damaged from the node, every time",
        );
    } catch (error) {
      // The node that wrote it is gone, or has written another one since.
      const isGone = error instanceof DatabaseError && error.code === "INVALID_ARGUMENT";
      if (!isGone || attempt === ATTEMPTS_MAX) throw error;
    }
    writer.restart();
  }
}

/**
 * Copies the newest sound snapshot of a data directory.
 * @param note gets what a person should know of it
 */
export async function copyNewest(
  directory: string,
  writer: WholeFile,
  onProgress: (done: number, all: number) => void,
  note: (line: string) => void,
): Promise<SnapshotSummary> {
  const kept = await import("../storage/kept-snapshot.js");
  const { OfflineLog } = await import("../storage/offline-log.js");
  const log = OfflineLog.open(directory);
  log.close();
  for (const file of kept.snapshotFilesOf(directory).toReversed()) {
    try {
      kept.readSnapshot(file);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "CORRUPTION") throw error;
      note(`note: passed over: ${error.message}`);
      continue;
    }
    kept.copySnapshot(file, writer, onProgress);
    const summary = kept.finishSnapshot(writer);
    const { index } = summary.head;
    if (log.lastIndex > index)
      note(
        `note: entries ${index + 1} to ${log.lastIndex} of the log are not in it: only a running node knows what of them is committed`,
      );
    return summary;
  }
  throw new CommandError("NOT_FOUND", EXIT.notFound, `${directory} holds no sound snapshot`, {
    tryThis: "balsa snapshot save FILE --endpoints H:P, from a running node",
  });
}
