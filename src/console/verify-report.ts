/** What `log verify` found, as JSON and as lines. */
import type { LogDamage, VerifyReport } from "../storage/offline-log.js";
import { CommandError, EXIT } from "./failure.js";
import { checksumText } from "./log-lines.js";
import { grouped } from "./text.js";

/** Damage that is more than a torn write at the tail, which recovery drops and nobody was told of. */
export function corruptions(report: VerifyReport): readonly LogDamage[] {
  return report.damages.filter(({ torn }) => !torn);
}

export function verifyJson(path: string, report: VerifyReport): Readonly<Record<string, unknown>> {
  const { segmentCount, entryCount, byteCount, firstIndex, lastIndex, checksum, damages } = report;
  return {
    directory: path,
    sound: corruptions(report).length === 0,
    segments: segmentCount,
    entries: entryCount,
    bytes: byteCount,
    firstIndex,
    lastIndex,
    checksum: checksumText(checksum),
    damages,
  };
}

export function verifyLines(path: string, report: VerifyReport): readonly string[] {
  const { segmentCount, entryCount, byteCount, firstIndex, lastIndex, checksum, damages } = report;
  const verdict = corruptions(report).length === 0 ? "every byte is sound" : "CORRUPT";
  return [
    `${path}: ${verdict}`,
    `  ${grouped(byteCount)} bytes in ${grouped(segmentCount)} ${segmentCount === 1 ? "segment" : "segments"}`,
    `  ${grouped(entryCount)} entries, index ${firstIndex} to ${lastIndex}, checksum ${checksumText(checksum)} at the last`,
    ...damages.map(
      ({ file, offset, index, reason, torn }) =>
        `  ${torn ? "torn tail (dropped at the next start, never acknowledged)" : "damage"}: ${file} at offset ${offset}, index ${index}: ${reason}`,
    ),
  ];
}

/** The failure to end with; undefined when the log is sound. */
export function corruptionError(report: VerifyReport): CommandError | undefined {
  const [worst, ...others] = corruptions(report);
  if (worst === undefined) return undefined;
  const { file, offset, index, reason } = worst;
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return new CommandError(
    "CORRUPTION",
    EXIT.corruption,
    `${file} at offset ${offset} (index ${index}): ${reason}${more}`,
    {
      tryThis:
        "keep the directory as it is, and rebuild this node from the others under a new --data",
    },
  );
}
