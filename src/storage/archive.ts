/**
 * The archive: log segments that a snapshot has made needless, and that are kept,
 * so that the whole history stays readable as a table.
 *
 *   <data>/log/archive-00000000000000000001-00000000000000004711.avro
 *
 * They are sealed segments under another name: no part of the log any more, and
 * never read by recovery.
 */
import { entryTime } from "../codec/block.js";
import type { File, FileSystem } from "./file-system.js";
import type { NeedlessFiles } from "./needless-files.js";
import { HEADER_SIZE_MAX, parseSegmentName, readSegmentHeader } from "./segment.js";

/**
 * What becomes of needless segments. `"size"`: the newest up to so many bytes
 * together stay. `"time"`: those stay that hold an entry younger than that, by the
 * clock of the leaders that made the log.
 */
export type Retention =
  | { readonly keep: "none" }
  | { readonly keep: "all" }
  | { readonly keep: "size"; readonly sizeBytes: number }
  | { readonly keep: "time"; readonly durationMs: number };

/** Before the name that a segment had in the log. */
export const ARCHIVE_PREFIX = "archive-";
/** bytes of a block up to its time */
const TIME_SIZE_MAX = 64;

/** The archive's segments in a log directory, oldest first. */
function archivedSegments(fileSystem: FileSystem, directory: string): readonly string[] {
  return fileSystem
    .list(directory)
    .filter(
      (name) =>
        name.startsWith(ARCHIVE_PREFIX) &&
        parseSegmentName(name.slice(ARCHIVE_PREFIX.length))?.kind === "sealed",
    );
}

export class Archive {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #retention: Retention;
  readonly #needless: NeedlessFiles;

  /** @param needless of that directory */
  constructor(
    fileSystem: FileSystem,
    directory: string,
    retention: Retention,
    needless: NeedlessFiles,
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#retention = retention;
    this.#needless = needless;
  }

  /**
   * Takes a sealed segment, the oldest, out of the log. Durable when the directory is
   * synced, and not owed: one that is back after a power cut is taken again.
   */
  take(sealedName: string): void {
    if (this.#retention.keep === "none") {
      this.#needless.discard(sealedName);
      return;
    }
    const path = `${this.#directory}/${sealedName}`;
    this.#fileSystem.rename(path, `${this.#directory}/${ARCHIVE_PREFIX}${sealedName}`);
  }

  /** @param first the log's first segment; @param newestTime of its last one, milliseconds since 1970 */
  prune(first: File, newest: File): void {
    const retention = this.#retention;
    if (retention.keep === "none" || retention.keep === "all") return;
    const newestTime = firstTime(newest);
    // What a segment holds was made before the first entry behind it.
    let timeBehind = firstTime(first);
    let size = 0;
    for (const name of archivedSegments(this.#fileSystem, this.#directory).toReversed()) {
      const file = this.#fileSystem.open(`${this.#directory}/${name}`, "read");
      size += file.size();
      const isOld =
        retention.keep === "size"
          ? size > retention.sizeBytes
          : newestTime - timeBehind > retention.durationMs;
      timeBehind = firstTime(file);
      file.close();
      if (isOld) this.#needless.discard(name);
    }
  }
}

/** When the first entry of a segment was made; 0 when it cannot be read. */
function firstTime(file: File): number {
  const bytes = new Uint8Array(HEADER_SIZE_MAX + TIME_SIZE_MAX);
  const read = bytes.subarray(0, file.read(bytes, 0));
  const header = readSegmentHeader(read);
  if (header.kind === "fault" || header.size >= read.length) return 0;
  return entryTime({ block: read.subarray(header.size) });
}
