/** What `log verify` found, as JSON and as lines. */
import type { Damage, DirectoryReport } from "../storage/verification.js";
import { CommandError, EXIT } from "./failure.js";
import { checksumText } from "./log-lines.js";
import { grouped } from "./text.js";

/** Damage that is more than what a crash leaves behind, which the next start sets right and nobody was told of. */
export function corruptions(report: DirectoryReport): readonly Damage[] {
  return report.damages.filter(({ harmless }) => !harmless);
}

export function verifyJson(
  path: string,
  report: DirectoryReport,
): Readonly<Record<string, unknown>> {
  const { segmentCount, archivedCount, entryCount, byteCount, snapshotCount } = report;
  const { firstIndex, lastIndex, checksum, damages } = report;
  return {
    directory: path,
    sound: corruptions(report).length === 0,
    segments: segmentCount,
    archived: archivedCount,
    snapshots: snapshotCount,
    entries: entryCount,
    bytes: byteCount,
    firstIndex,
    lastIndex,
    checksum: checksumText(checksum),
    damages: damages.map(({ file, offset, index, reason, harmless }) => ({
      file,
      offset,
      index: index ?? null,
      reason,
      harmless,
    })),
  };
}

export function verifyLines(path: string, report: DirectoryReport): readonly string[] {
  const { segmentCount, archivedCount, entryCount, byteCount, snapshotCount } = report;
  const { firstIndex, lastIndex, checksum, damages } = report;
  const verdict = corruptions(report).length === 0 ? "every byte is sound" : "CORRUPT";
  const archived = archivedCount === 0 ? "" : ` (${grouped(archivedCount)} in the archive)`;
  const held =
    entryCount === 0
      ? ""
      : `, index ${firstIndex} to ${lastIndex}, checksum ${checksumText(checksum)} at the last`;
  return [
    `${path}: ${verdict}`,
    `  ${grouped(byteCount)} bytes in ${counted(segmentCount, "segment")}${archived}`,
    `  ${counted(entryCount, "entry", "entries")}${held}`,
    `  ${counted(snapshotCount, "snapshot")}, hard state, identity`,
    ...damages.map(
      (damage) =>
        `  ${damage.harmless ? "harmless (a crash left it; the next start sets it right)" : "damage"}: ${place(damage)}: ${damage.reason}`,
    ),
  ];
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

function place({ file, offset, index }: Damage): string {
  return `${file} at offset ${offset}${index === undefined ? "" : `, index ${index}`}`;
}

/** The failure to end with; undefined when the directory is sound. */
export function corruptionError(report: DirectoryReport): CommandError | undefined {
  const [worst, ...others] = corruptions(report);
  if (worst === undefined) return undefined;
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return new CommandError(
    "CORRUPTION",
    EXIT.corruption,
    `${place(worst)}: ${worst.reason}${more}`,
    {
      tryThis:
        "keep the directory as it is, and rebuild this node from the others under a new --data",
    },
  );
}
