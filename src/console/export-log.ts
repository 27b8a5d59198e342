/** A data directory's whole history, from the archive's oldest entry on, as one stream of bytes. */
import { setImmediate as turn } from "node:timers/promises";
import { logLine } from "./log-lines.js";
import type { Output } from "./output.js";
import { startProgress } from "./progress.js";

export const EXPORT_FORMATS = ["ndjson", "avro"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportSummary {
  readonly entryCount: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
}

export function isExportFormat(text: string): text is ExportFormat {
  return EXPORT_FORMATS.some((format) => format === text);
}

/** Entries between two looks at the progress. */
const PROGRESS_ENTRIES = 1000;

/**
 * @param note gets what a person should know: what is not in it
 * @throws {DatabaseError} CORRUPTION at damage that is not a torn tail
 */
export async function exportLog(
  directory: string,
  format: ExportFormat,
  output: Output,
  note: (line: string) => void,
): Promise<ExportSummary> {
  const { OfflineLog } = await import("../storage/offline-log.js");
  const log = OfflineLog.open(directory, { archive: true });
  const { firstIndex, lastIndex } = log;
  const progress = await startProgress("exporting", Math.max(0, lastIndex - firstIndex + 1));
  let entryCount = 0;
  let next: number = firstIndex;
  if (firstIndex > 1)
    note(`note: entries 1 to ${firstIndex - 1} are not there any more (node start --retain all)`);
  const onEntry = (index: number): void => {
    if (index > next)
      note(`note: entries ${next} to ${index - 1} are not there: a snapshot stands for them`);
    next = index + 1;
    entryCount += 1;
    if (entryCount % PROGRESS_ENTRIES === 0) progress.update(index - firstIndex, "");
  };
  // A signal is heard only when the event loop turns, which writing to a file need not make it do.
  let turnedAt = 0;
  const turnIfDue = async (): Promise<void> => {
    if (entryCount - turnedAt < PROGRESS_ENTRIES) return;
    turnedAt = entryCount;
    await turn();
  };
  try {
    if (format === "avro") {
      const { avroFileOf } = await import("../storage/log-export.js");
      for (const bytes of avroFileOf(log, onEntry)) {
        await output.write(bytes);
        await turnIfDue();
      }
    } else {
      const { decodeRows } = await import("../codec/block.js");
      for (const { entry } of log.entries(firstIndex)) {
        onEntry(entry.index);
        for (const row of decodeRows(entry)) await output.json(logLine(row));
        await turnIfDue();
      }
    }
    await output.flush();
  } finally {
    progress.stop();
    log.close();
  }
  return { entryCount, firstIndex, lastIndex };
}
