/** What is in a snapshot, as JSON and as lines. */
import { statSync } from "node:fs";
import path from "node:path";
import { DatabaseError } from "../errors.js";
import type { SnapshotSummary } from "../storage/kept-snapshot.js";
import { CommandError, EXIT, usageError } from "./failure.js";
import { checksumText } from "./log-lines.js";
import { grouped } from "./text.js";

/** A snapshot's file, and what reading every byte of it gave. */
export type SnapshotFinding =
  | { readonly kind: "sound"; readonly file: string; readonly summary: SnapshotSummary }
  | { readonly kind: "damaged"; readonly file: string; readonly reason: string };

/** Rows that are told, in this order, when there are any. */
const COUNTED = [
  ["lease", "leases"],
  ["session", "sessions"],
  ["transaction", "open transactions"],
] as const;

/** Reads a file; its damage is a finding, that it is not there an error. */
export async function inspectSnapshot(
  file: string,
  onProgress: (done: number, all: number) => void,
): Promise<SnapshotFinding> {
  const { readSnapshot } = await import("../storage/kept-snapshot.js");
  try {
    return { kind: "sound", file, summary: readSnapshot(file, undefined, onProgress) };
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "CORRUPTION") throw error;
    return { kind: "damaged", file, reason: error.message };
  }
}

/** The snapshots that a path means: a file alone, or those of a data directory, oldest first. */
export async function snapshotFiles(given: string): Promise<readonly string[]> {
  const stat = statSync(given, { throwIfNoEntry: false });
  if (stat === undefined)
    throw usageError(`${given} is not there`, "a snapshot's file, or a data directory");
  if (!stat.isDirectory()) return [given];
  const { snapshotFilesOf } = await import("../storage/kept-snapshot.js");
  const files = snapshotFilesOf(given);
  if (files.length > 0) return files;
  throw new CommandError("NOT_FOUND", EXIT.notFound, `${given} holds no snapshot yet`, {
    tryThis: "balsa snapshot save FILE --endpoints H:P, from the running node",
  });
}

export function snapshotJson(finding: SnapshotFinding): Readonly<Record<string, unknown>> {
  if (finding.kind === "damaged") {
    return { file: finding.file, sound: false, reason: finding.reason };
  }
  const { head, size, fileChecksum, keyCount, compactedRevision, rowCounts } = finding.summary;
  return {
    file: finding.file,
    sound: true,
    clusterId: head.clusterId,
    index: head.index,
    term: head.term,
    checksum: checksumText(head.checksum),
    revision: head.revision,
    compactedRevision,
    time: new Date(head.time).toISOString(),
    keys: keyCount,
    voters: head.configuration.voters,
    learners: head.configuration.learners,
    rows: rowCounts,
    bytes: size,
    fileChecksum: checksumText(fileChecksum),
  };
}

export function snapshotLines(finding: SnapshotFinding): readonly string[] {
  if (finding.kind === "damaged") return [`${finding.file}: CORRUPT`, `  ${finding.reason}`];
  const { head, size, fileChecksum, keyCount, compactedRevision, rowCounts } = finding.summary;
  const changeCount = (rowCounts.put ?? 0) + (rowCounts.delete ?? 0);
  const counts = COUNTED.flatMap(([kind, words]) => {
    const count = rowCounts[kind] ?? 0;
    return count === 0 ? [] : [`${grouped(count)} ${words}`];
  });
  const history =
    compactedRevision === 0 ? "its whole history" : `history from revision ${compactedRevision}`;
  const learners = head.configuration.learners.map((id) => `${id} (learner)`);
  return [
    `${finding.file}: every byte is sound`,
    `  revision ${head.revision}, ${new Date(head.time).toISOString()}, with ${history}`,
    `  ${[`${grouped(keyCount)} keys`, `${grouped(changeCount)} changes`, ...counts].join(", ")}`,
    `  entry ${head.index} of term ${head.term}, checksum ${checksumText(head.checksum)}`,
    `  cluster ${head.clusterId}: ${[...head.configuration.voters, ...learners].join(", ")}`,
    `  ${grouped(size)} bytes, checksum ${checksumText(fileChecksum)}`,
  ];
}

/** The failure to end with; undefined when all are sound. */
export function snapshotFailure(findings: readonly SnapshotFinding[]): CommandError | undefined {
  const damaged = findings.find((finding) => finding.kind === "damaged");
  if (damaged === undefined) return undefined;
  const isLast = findings.length === 1 || findings.every(({ kind }) => kind === "damaged");
  return new CommandError("CORRUPTION", EXIT.corruption, damaged.reason, {
    tryThis: isLast
      ? "another backup, or `balsa snapshot save` from a running node"
      : `another one beside it: ${path.dirname(damaged.file)}`,
  });
}
