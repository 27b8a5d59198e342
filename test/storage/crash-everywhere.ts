/**
 * The machine stops at every single call to the file system of a run that rolls,
 * snapshots, compacts, truncates and installs; and at every call of the recovery
 * that follows. What comes back is what was promised, and the same every time.
 *
 * Run in full by scripts/crashes.js, in part by crash-everywhere.test.ts.
 */
import assert from "node:assert/strict";
import { decodeRequests, entryTime } from "../../src/codec/block.js";
import { restoreNewest } from "../../src/node/restore.js";
import { LogIndex, NodeId, Term, type Entry, type HardState } from "../../src/raft/types.js";
import { Halted, MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { HardStateFile } from "../../src/storage/hard-state.js";
import { claimIdentity } from "../../src/storage/identity.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { SNAPSHOTS_KEPT_MIN, SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import { Store } from "../../src/store/store.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";

const DATA = "/data";
const STEPS = 60;
const SEGMENT_SIZE = 4096;
const SNAPSHOT_EVERY = 6;

const still = {
  now: () => 0,
  wallTime: () => 0,
  start: () => undefined,
  stop: () => undefined,
  defer: () => undefined,
  later: () => undefined,
  idleTime: () => 0,
};

/** A node's disk as it is opened at the start of every life, and what it gives back. */
class Opened {
  readonly hardState: HardStateFile;
  readonly snapshots: SnapshotDirectory;
  readonly store = new Store();
  readonly log: SegmentedLog;
  appliedIndex: number;

  constructor(fileSystem: MemoryFileSystem) {
    fileSystem.makeDirectory(DATA);
    const nodeId = NodeId("n1");
    claimIdentity(fileSystem, DATA, {
      ...{ clusterId: CLUSTER_ID, nodeId, freshIncarnationId: "a".repeat(32) },
    });
    this.hardState = HardStateFile.open(fileSystem, DATA);
    this.snapshots = new SnapshotDirectory(fileSystem, `${DATA}/snapshots`);
    const restored = restoreNewest({
      ...{ directory: this.snapshots, store: this.store, clock: still },
      notice: () => undefined,
      sizeBehind: () => 0,
    });
    this.log = SegmentedLog.open({
      ...{ fileSystem, directory: `${DATA}/log`, clusterId: CLUSTER_ID },
      segmentSizeBytes: SEGMENT_SIZE,
      ...(restored === undefined ? {} : { base: restored }),
    }).log;
    this.appliedIndex = restored?.index ?? 0;
  }

  applyTo(index: number): void {
    while (this.appliedIndex < index) {
      const next = LogIndex(this.appliedIndex + 1);
      const [entry] = this.log.read(next, next, 1);
      assert.ok(entry?.kind === "commands");
      for (const request of decodeRequests(entry)) this.store.apply(request, entryTime(entry));
      this.appliedIndex = next;
    }
  }

  /** All that a node knows after its recovery, as one text. */
  describe(): string {
    this.applyTo(this.log.lastIndex);
    const { lastIndex } = this.log;
    const { term, vote } = this.hardState.current;
    return `term ${term} vote ${vote ?? "-"} last ${lastIndex} ${this.log.checksum(lastIndex)} state ${this.store.stateHash()}`;
  }
}

/** One scripted life; always the same calls. What it was told is what must come back. */
class Life {
  readonly fileSystem: MemoryFileSystem;
  readonly #random = randomOf(7);
  /** by index - 1; what was appended, acknowledged or not */
  entries: readonly Entry[] = [];
  /** before a truncation that has not returned */
  before: readonly Entry[] = [];
  flushedCount = 0;
  #isFlushing = false;
  /** what a flush beside the loop has come back with */
  #failure: Error | undefined;
  hardState: HardState = { term: Term(0), vote: undefined };
  asked: HardState = this.hardState;

  constructor(fileSystem: MemoryFileSystem) {
    this.fileSystem = fileSystem;
  }

  run(): void {
    const node = new Opened(this.fileSystem);
    for (let step = 1; step <= STEPS; step += 1) {
      if (step % 9 === 1) this.#vote(node, step);
      if (step % 11 === 0) this.#truncate(node);
      this.#append(node);
      // at times what is beside the loop is left there while more is done
      this.fileSystem.pump(step % 3 === 0 ? Infinity : Math.floor(this.#random() * 4));
      if (this.#failure !== undefined) throw this.#failure;
      if (step % SNAPSHOT_EVERY === 0) this.#snapshot(node);
    }
    node.log.close();
  }

  #vote(node: Opened, step: number): void {
    this.asked = { term: Term(step), vote: NodeId(`n${step % 3}`) };
    node.hardState.write(this.asked);
    this.hardState = this.asked;
  }

  #append(node: Opened): void {
    const count = 1 + Math.floor(this.#random() * 3);
    const more = putEntries(this.entries.at(-1) ?? NOTHING, count, this.#random, 900);
    this.entries = [...this.entries, ...more];
    node.log.append(more);
    if (this.#random() < 0.3) {
      node.log.flush();
      this.flushedCount = this.entries.length;
    } else this.#flushLater(node);
    node.log.noteFlushed();
  }

  #flushLater(node: Opened): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const { entries } = this;
    node.log.flushLater((error) => {
      this.#isFlushing = false;
      this.#failure ??= error;
      // what was dropped meanwhile is not there any more
      const isWhole = this.entries[entries.length - 1] === entries.at(-1);
      if (error === undefined && isWhole)
        this.flushedCount = Math.max(this.flushedCount, entries.length);
    });
  }

  /** Of what is not committed: here, what no snapshot holds. */
  #truncate(node: Opened): void {
    const keep = this.entries.length - 2;
    if (keep <= node.appliedIndex) return;
    this.before = this.entries;
    this.entries = this.entries.slice(0, keep);
    this.flushedCount = Math.min(this.flushedCount, keep);
    node.log.truncateSuffix(LogIndex(keep + 1));
    this.before = [];
  }

  #snapshot(node: Opened): void {
    node.applyTo(node.log.lastIndex - 1);
    const { log, store, snapshots, appliedIndex } = node;
    const index = LogIndex(appliedIndex);
    const writer = snapshots.begin({
      ...{ clusterId: CLUSTER_ID, index, term: log.term(index), checksum: log.checksum(index) },
      ...{ revision: store.revision, time: store.logTime },
      configuration: { voters: [NodeId("n1")], learners: [] },
      configurationIndex: LogIndex(0),
    });
    const view = store.openView();
    for (let rows = view.next(500); rows.length > 0; rows = view.next(500)) writer.append(rows);
    view.close();
    writer.finish((error) => {
      if (error !== undefined) throw error;
    });
    this.fileSystem.pump();
    snapshots.prune(SNAPSHOTS_KEPT_MIN, () => false);
    const [older, newer] = snapshots.names.slice(-SNAPSHOTS_KEPT_MIN);
    if (older !== undefined && newer !== undefined) log.compactTo(older.index);
  }

  /** What must be true of a disk that was cut off in the middle. */
  check(node: Opened): void {
    const { lastIndex } = node.log;
    const known = this.entries.length >= lastIndex ? this.entries : this.before;
    assert.ok(lastIndex >= this.flushedCount, `${lastIndex} of ${this.flushedCount} entries`);
    const last = lastIndex === 0 ? 0 : known[lastIndex - 1]?.checksum;
    const alternative = this.before[lastIndex - 1]?.checksum;
    assert.ok([last, alternative].includes(node.log.checksum(lastIndex)), "another log came back");
    const { term, vote } = node.hardState.current;
    const states = [this.hardState, this.asked];
    assert.ok(states.some((state) => state.term === term && state.vote === vote));
    // The state is the fold over the log, whatever of it came from a snapshot.
    const model = new Store();
    for (const entry of known.slice(0, lastIndex)) {
      assert.ok(entry.kind === "commands");
      for (const request of decodeRequests(entry)) model.apply(request, entryTime(entry));
    }
    node.applyTo(lastIndex);
    assert.equal(node.store.stateHash(), model.stateHash());
  }
}

function isHalt(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof Halted) return true;
  return false;
}

/** @returns whether the machine stopped before `work` was done */
function stops(work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (!isHalt(error)) throw error;
    return true;
  }
}

/** How many calls to the file system a whole life makes. */
export function callCount(): number {
  const life = new Life(new MemoryFileSystem());
  life.run();
  return life.fileSystem.operationCount;
}

/**
 * Stops a life at its call `call`, from 1 on; and its recovery at every `stride`-th call.
 * @returns how many stops of the recovery that were
 */
export function stopAt(call: number, stride: number): number {
  const life = new Life(new MemoryFileSystem());
  const { fileSystem } = life;
  fileSystem.haltAt(call);
  // the very last call removes what is needless: nobody hears that it failed
  stops(() => {
    life.run();
  });
  const random = randomOf(call);
  if (call % 4 === 0) fileSystem.kill();
  else fileSystem.crash(random);
  const image = fileSystem.copy();
  const recovered = new Opened(fileSystem);
  life.check(recovered);
  const whole = recovered.describe();
  let stopCount = 0;
  for (let at = 1 + (call % stride); ; at += stride) {
    const disk = image.copy();
    disk.haltAt(at);
    const isCutShort = stops(() => new Opened(disk));
    if (isCutShort) stopCount += 1;
    disk.crash(random);
    assert.equal(new Opened(disk).describe(), whole, `call ${call}, recovery call ${at}`);
    if (!isCutShort) return stopCount;
  }
}
