/**
 * Rolled segments: full, so that blocks go to the next one already, and not sealed
 * yet. Rolling itself waits for no disk; the next flush does, beside the event loop:
 *
 *   flush   sync the directory; flush each of them, oldest first; flush the open one
 *   seal    those before a segment whose first flush is done: rename to F-L.avro;
 *           sync the directory; cut the file to its log, datasync
 *
 * So nothing is told of an entry before all in front of it is durable, names too; the
 * first flush of a segment begins only then, so that its record in the witness vouches
 * for what comes before (OpenSegment.isStarted); and what follows a sealed segment has
 * its header and witness on disk. Recovery rests on all three (log-tail.ts).
 */
import { assert, AssertionError } from "../assert.js";
import type { File } from "./file-system.js";
import type { LogDirectory } from "./log-directory.js";
import type { OpenSegment } from "./open-segment.js";
import { sealedSegmentName } from "./segment.js";
import type { Segment, SegmentFiles } from "./segment-files.js";
import { shortage } from "./shortage.js";

interface Rolled {
  readonly segment: Segment;
  readonly open: OpenSegment;
  /** the change of the directory that gave it its sealed name; undefined before */
  namedBy: number | undefined;
}

type Done = (error: Error | undefined) => void;

export class RolledSegments {
  readonly #directory: LogDirectory;
  /** gets those that are sealed */
  readonly #files: SegmentFiles;
  /** oldest first */
  readonly #rolled: Rolled[] = [];
  /** names of those that were cut, and that is not durable yet */
  readonly #cutting = new Set<string>();
  #isSealing = false;
  /** what came of sealing one beside the event loop */
  #failure: Error | undefined;
  #closed = false;

  constructor(directory: LogDirectory, files: SegmentFiles) {
    this.#directory = directory;
    this.#files = files;
  }

  get isEmpty(): boolean {
    return this.#rolled.length === 0;
  }

  /** Whether a flush has more to do than to flush the open segment. */
  get isFlushDue(): boolean {
    return this.#directory.isAwaited || this.#rolled.some(({ open }) => !open.flushed);
  }

  add(segment: Segment, open: OpenSegment): void {
    assert(open.sealed, "a rolled segment takes no more blocks");
    this.#rolled.push({ segment, open, namedBy: undefined });
  }

  /** The file of one of them; undefined for any other segment. */
  fileOf(segment: Segment): File | undefined {
    return this.#rolled.find((rolled) => rolled.segment === segment)?.open.file;
  }

  /** Whether a segment is sealed, and its file as long as its log for good. */
  isSettled(segment: Segment): boolean {
    const { sealedName } = segment;
    if (sealedName === undefined || this.#cutting.has(sealedName)) return false;
    return this.fileOf(segment) === undefined;
  }

  /** @throws why sealing one of them has failed since */
  settle(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Makes names, all of them and then `last` durable. @throws Node's own errors */
  flush(last: OpenSegment): void {
    if (this.#directory.isAwaited) this.#directory.sync();
    for (const { open } of this.#rolled) open.flush();
    last.flush();
  }

  /** The same beside the event loop, of what there is now; then they are sealed. */
  flushLater(last: OpenSegment, done: Done): void {
    const waiting = [...this.#rolled.map(({ open }) => open), last];
    const next: Done = (error) => {
      const open = error === undefined ? waiting.shift() : undefined;
      if (open === undefined) {
        done(error);
        if (error === undefined) this.#sealLater(last);
      } else if (open.flushed || (open.isReleased && !this.#closed)) {
        next(undefined);
      } else if (open.isReleased) {
        next(new Error(`${open.path} was closed before it was flushed`));
      } else {
        attempt(() => {
          open.flushLater(next);
        }, next);
      }
    };
    if (!this.#directory.isAwaited) next(undefined);
    else
      attempt(() => {
        this.#directory.syncLater(next);
      }, next);
  }

  /** Seals all of them, which are flushed as the one behind them is; what is cut is durable later. @throws Node's own errors */
  seal(): void {
    if (this.isEmpty) return;
    for (const rolled of this.#rolled) this.#name(rolled);
    this.#directory.sync();
    this.#cutNamed();
  }

  /** Seals those before `last`, whose flush is done, unless that is under way. */
  #sealLater(last: OpenSegment): void {
    if (this.#isSealing || this.#closed || last.isReleased) return;
    const end = this.#rolled.findIndex(({ open }) => open === last);
    const ready = end === -1 ? [...this.#rolled] : this.#rolled.slice(0, end);
    if (ready.length === 0) return;
    const fail = (error: Error): void => {
      // a shortage: the next flush tries again
      if (shortage(error, "") === undefined) this.#failure ??= error;
    };
    attempt(() => {
      for (const rolled of ready) this.#name(rolled);
      this.#isSealing = true;
      this.#directory.syncLater((error) => {
        this.#isSealing = false;
        if (error !== undefined) fail(error);
        else if (!this.#closed) attempt(this.#cutNamed.bind(this), fail);
      });
    }, fail);
  }

  #name(rolled: Rolled): void {
    const { segment, open, namedBy } = rolled;
    if (namedBy !== undefined) return;
    assert(open.flushed, "a segment is sealed when it is durable");
    const sealedName = sealedSegmentName(segment.index.firstIndex, segment.index.lastIndex);
    const path = `${this.#directory.path}/${sealedName}`;
    rolled.namedBy = this.#directory.rename(open.path, path);
    open.path = path;
    segment.sealedName = sealedName;
  }

  /** Cuts those whose name says for good how long they are. */
  #cutNamed(): void {
    for (let first = this.#rolled[0]; first !== undefined; first = this.#rolled[0]) {
      const { segment, open, namedBy } = first;
      const { sealedName } = segment;
      if (sealedName === undefined || namedBy === undefined) return;
      if (!this.#directory.isDurable(namedBy)) return;
      open.cutToLog();
      segment.index.shrink();
      this.#rolled.shift();
      const file = open.release();
      this.#files.add(sealedName, file);
      this.#cutting.add(sealedName);
      file.datasyncLater((error) => {
        this.#cutting.delete(sealedName);
        this.#failure ??= error;
      });
    }
  }

  /** Takes one of them away, which is wanted no more. @returns undefined for any other segment */
  take(segment: Segment): OpenSegment | undefined {
    const at = this.#rolled.findIndex((rolled) => rolled.segment === segment);
    return at === -1 ? undefined : this.#rolled.splice(at, 1)[0]?.open;
  }

  /** Lets go of every file. */
  close(): void {
    this.#closed = true;
    for (const { open } of this.#rolled) open.close();
    this.#rolled.length = 0;
  }
}

/** Runs a step that nobody can catch the errors of. */
function attempt(step: () => void, fail: (error: Error) => void): void {
  try {
    step();
  } catch (error) {
    if (error instanceof AssertionError || !(error instanceof Error)) throw error;
    fail(error);
  }
}
