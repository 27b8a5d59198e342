/**
 * What it costs to make encoded blocks durable, against the bare write and fdatasync
 * of the same bytes, marker included, in a file of zeros as an open segment is; and of
 * what the difference is made. All of them turn by turn in one run, in an order that
 * rotates.
 *
 *   bare      one write, one fdatasync
 *   witness   the same and the write of a witness's record before the fdatasync, as
 *             every flush of the log has it: a second page of the file
 *   log       append and flush of the log itself
 *   encoding  the block made of its requests: not in the others
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import type { Entry } from "../src/raft/types.js";
import { NodeFileSystem } from "../src/storage/node-file-system.js";
import { SegmentedLog } from "../src/storage/segmented-log.js";
import { median } from "./environment.js";

const MIB = 1024 * 1024;
const BATCH_SIZES = [1, 20, 100, 1000];
/** bytes: what stands behind every block; the witness's page, its slots and what a slot holds */
const MARKER_SIZE = 16;
const WITNESS_PAGE_SIZE = 4096;
const WITNESS_SLOT_SIZE = 512;
const RECORD_SIZE = 52;

export interface AppendOptions {
  readonly root: string;
  readonly clusterId: string;
  readonly appendCount: number;
  /** An entry of `count` puts behind `previous`, with keys numbered from `first`. */
  readonly entryOf: (previous: Entry | undefined, first: number, count: number) => Entry;
  readonly print: (line: string) => void;
}

/** A file of zeros that are on disk. */
class Bare {
  readonly #descriptor: number;
  readonly #size = 8 * MIB;
  readonly #record: Uint8Array | undefined;
  #at = 0;
  #slot = 0;

  constructor(file: string, hasWitness: boolean) {
    this.#descriptor = openSync(file, "w+");
    writeSync(this.#descriptor, Buffer.alloc(this.#size + WITNESS_PAGE_SIZE));
    fdatasyncSync(this.#descriptor);
    this.#record = hasWitness ? new Uint8Array(RECORD_SIZE).fill(7) : undefined;
  }

  write(bytes: Uint8Array): void {
    if (this.#at + bytes.length > this.#size) this.#at = 0;
    writeSync(this.#descriptor, bytes, 0, bytes.length, this.#at);
    if (this.#record !== undefined) {
      this.#slot = 1 - this.#slot;
      const position = this.#size + this.#slot * WITNESS_SLOT_SIZE;
      writeSync(this.#descriptor, this.#record, 0, RECORD_SIZE, position);
    }
    fdatasyncSync(this.#descriptor);
    this.#at += bytes.length;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Milliseconds. */
function timeOf(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

/** Rounds that are not counted: what was never run is not compiled yet, and a node writes more than that. */
const WARM_UP_ROUNDS = 200;

class Times {
  readonly bare: number[] = [];
  readonly witness: number[] = [];
  readonly log: number[] = [];
  readonly encoding: number[] = [];
  /** append and flush in units of the bare write, round by round */
  readonly logRatios: number[] = [];
  readonly witnessRatios: number[] = [];

  clear(): void {
    const { bare, witness, log, encoding, logRatios, witnessRatios } = this;
    for (const times of [bare, witness, log, encoding, logRatios, witnessRatios]) times.length = 0;
  }

  lineOf(batchSize: number, size: number): string {
    const micros = (times: readonly number[]): string => (median(times) * 1000).toFixed(0);
    const more = (ratios: readonly number[]): string =>
      `${((median(ratios) - 1) * 100).toFixed(0)} % more`;
    return (
      `  ${String(batchSize).padStart(5)} puts, ${String(size).padStart(6)} bytes: ` +
      `bare ${micros(this.bare)}, witness ${micros(this.witness)} (${more(this.witnessRatios)}), ` +
      `log ${micros(this.log)} (${more(this.logRatios)}), encoding ${micros(this.encoding)}; ` +
      `${Math.round((batchSize / median(this.log)) * 1000)} puts/s`
    );
  }
}

function measure(options: AppendOptions, batchSize: number): string {
  const { root, clusterId, appendCount, entryOf } = options;
  const { log } = SegmentedLog.open({
    fileSystem: new NodeFileSystem(),
    directory: path.join(root, `append-${batchSize}`),
    clusterId,
  });
  const bare = new Bare(path.join(root, "bare"), false);
  const witness = new Bare(path.join(root, "witness"), true);
  const times = new Times();
  let previous: Entry | undefined;
  for (let round = 0; round < WARM_UP_ROUNDS + appendCount; round += 1) {
    if (round === WARM_UP_ROUNDS) times.clear();
    const encoded: Entry[] = [];
    times.encoding.push(
      timeOf(() => encoded.push(entryOf(previous, round * batchSize, batchSize))),
    );
    const [entry] = encoded;
    if (entry === undefined) break;
    previous = entry;
    const bytes = Buffer.concat([entry.block, Buffer.alloc(MARKER_SIZE, 9)]);
    const works: readonly (readonly [number[], () => void])[] = [
      [times.bare, bare.write.bind(bare, bytes)],
      [times.witness, witness.write.bind(witness, bytes)],
      [times.log, appendAndFlush.bind(undefined, log, entry)],
    ];
    for (let i = 0; i < works.length; i += 1) {
      const [into, work] = works[(i + round) % works.length] ?? [[], () => undefined];
      into.push(timeOf(work));
    }
    const own = times.bare.at(-1) ?? 1;
    times.logRatios.push((times.log.at(-1) ?? 0) / own);
    times.witnessRatios.push((times.witness.at(-1) ?? 0) / own);
  }
  log.close();
  bare.close();
  witness.close();
  return times.lineOf(batchSize, (previous?.block.length ?? 0) + MARKER_SIZE);
}

function appendAndFlush(log: SegmentedLog, entry: Entry): void {
  log.append([entry]);
  log.flush();
}

export function benchAppend(options: AppendOptions): void {
  options.print(
    "append and flush of encoded blocks, against write and fdatasync of the same bytes " +
      "(microseconds, medians; the rounds' ratios)",
  );
  for (const batchSize of BATCH_SIZES) options.print(measure(options, batchSize));
}
