/**
 * The driver: where the floors meet. One loop orders send → persist → apply →
 * answer, in one visible place (`#carryOut`), and everything that comes in is
 * taken in between.
 *
 *   in    messages of peers, ticks, writes and reads from the doors, finished flushes
 *   turn  gather writes into a block → ask for reads → carry out every Ready → send
 *
 * A turn runs after all input that is already waiting was taken in, so that what
 * arrived together becomes one block, one message a follower and one flush.
 */
import { assert } from "../assert.js";
import { RequestCursor, sealCommands } from "../codec/block.js";
import type { RowReader } from "../codec/row.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { Ready } from "../raft/ready.js";
import type { LogIndex } from "../raft/types.js";
import { Term, type CommandsEntry, type Entry, type NodeId } from "../raft/types.js";
import type { LogBase } from "../storage/log-storage.js";
import type { CommandResult, RequestResult } from "../store/command.js";
import { divergenceError } from "./divergence.js";
import type { DriverMessage, DriverParts } from "./driver-parts.js";
import { Persistence } from "./persistence.js";
import { Snapshots } from "./snapshots.js";
import { Reads } from "./reads.js";
import { RevisionWaits } from "./revision-waits.js";
import { TICK_MS } from "./settings.js";
import { Forwarding } from "./forwarding.js";
import { Upkeep } from "./upkeep.js";
import { isRelayed, type PendingWrite, settle } from "./pending-write.js";
import { Requests } from "./requests.js";
import { stoppingError } from "./stopping.js";

/** Requests of one block: no more than a loop applies in a few milliseconds. */
const BLOCK_REQUESTS_MAX = 4096;
/** So few writes under way are next to nobody waiting. */
const LONE_WRITES_MAX = 4;
/** A read round without an answer for this long holds no other one back. Milliseconds. */
const READ_ROUND_SLOW_MS = 10;
/** A read round without an answer for this long was lost. Milliseconds. */
const READ_ROUND_LOST_MS = 250;
/**
 * Ticks made up for in one go. A pause of this process is no silence of the others:
 * what they said meanwhile is read in the same breath, and says nothing about when.
 */
const TICKS_AT_ONCE_MAX = 4;
/** Bytes of blocks applied in one turn before peers and clients have theirs. */
const APPLY_SIZE_PER_TURN_MAX = 32 * 1024;
/** Elections that may pass before a leader without room refuses writes: another one may lead by then. */
const FULL_DISK_ELECTIONS = 2;
const NO_RESULTS: readonly CommandResult[] = [];
/** Between two looks at the deadlines. Milliseconds. */
const EXPIRY_INTERVAL_MS = 50;

export class Driver {
  readonly #parts: DriverParts;
  readonly requests = new Requests();
  readonly reads = new Reads();
  readonly revisionWaits = new RevisionWaits();
  #appliedIndex: LogIndex;
  #appliedTerm: Term = Term(0);
  #lastApplied: LogBase;
  #turnScheduled = false;
  #inTurn = false;
  #stopped = false;
  #lastExpiry = 0;
  readonly #forwarding: Forwarding;
  readonly #persistence: Persistence;
  readonly #snapshots: Snapshots;
  readonly #upkeep = new Upkeep();
  /** reads wait until a round that is under way has come back */
  #areReadsHeld = false;
  /** once a tick: who must be reached may have changed without a new configuration */
  #isMembersDue = true;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    const { clusterId, raft, log, store, clock, notice } = parts;
    this.#snapshots = new Snapshots({
      rule: parts.snapshotRule,
      ...{ clusterId, raft, log, store, clock, notice, directory: parts.snapshots },
      onInstalled: (head) => {
        this.#onInstalled(head);
      },
      wake: () => {
        this.#scheduleTurn();
      },
      fail: (error) => {
        this.fail(error);
      },
    });
    this.#persistence = this.#makePersistence();
    this.#forwarding = new Forwarding({ requests: this.requests, ...parts });
    const index = (this.#appliedIndex = parts.raft.status().appliedIndex);
    this.#lastApplied = { index, term: log.term(index), checksum: log.checksum(index) };
  }

  #makePersistence(): Persistence {
    const { id, raft, log, hardState, store, clock, flushesOnLoop, notice } = this.#parts;
    return new Persistence({
      isLone: () => !this.requests.hasMoreOpenThan(LONE_WRITES_MAX),
      isSnapshotUnderWay: () => store.hasView || this.#snapshots.isUnderWay,
      ...{ id, raft, log, hardState, clock, flushesOnLoop, notice },
      onFlushed: () => {
        if (this.#inTurn) this.#scheduleTurn();
        else this.#turn();
      },
      fail: (error) => {
        this.fail(error);
      },
    });
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The entry whose effect is the store's last; with a full disk it may not be in the own log. */
  get lastApplied(): LogBase {
    return this.#lastApplied;
  }

  /** Time of the last flushes, milliseconds, moving average; 0 before the first. */
  get flushAverageMs(): number {
    return this.#persistence.flushAverageMs;
  }

  // ---- inputs -------------------------------------------------------------

  /** Whether nothing is started any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  write(write: PendingWrite): void {
    if (this.#stopped) {
      this.#parts.clock.defer(() => {
        settle(write, stoppingError(), undefined);
      });
      return;
    }
    this.requests.enqueue(write);
    this.#scheduleTurn();
  }

  read(deadline: number, done: Parameters<Reads["add"]>[1]): void {
    if (this.#stopped) {
      this.#parts.clock.defer(() => {
        done(stoppingError(), undefined);
      });
      return;
    }
    this.reads.add(deadline, done);
    this.#scheduleTurn();
  }

  onTick(elapsedTicks: number): void {
    if (this.#stopped) return;
    const ticks = Math.min(elapsedTicks, TICKS_AT_ONCE_MAX);
    this.#parts.raft.advanceClock(this.#parts.clock.now());
    if (elapsedTicks >= this.#parts.electionTicks) this.#parts.raft.stalled(elapsedTicks);
    for (let tick = 0; tick < ticks; tick += 1) this.#parts.raft.tick();
    const now = this.#parts.clock.now();
    if (now - this.#lastExpiry >= EXPIRY_INTERVAL_MS) {
      this.#lastExpiry = now;
      const leaderKnown = this.#parts.raft.leader !== undefined;
      this.reads.giveUpOlderThan(now - READ_ROUND_LOST_MS);
      this.requests.expire(now, leaderKnown);
      this.reads.expire(now, leaderKnown);
      this.revisionWaits.expire(now);
    }
    if (this.#parts.raft.role === "leader" && !this.#persistence.isFull) {
      const upkeep = this.#upkeep.due(this.#parts.store, this.#parts.clock);
      if (upkeep !== undefined) this.requests.enqueue(upkeep);
    }
    this.#snapshots.look();
    this.#persistence.tick();
    this.#isMembersDue = true;
    this.#turn();
  }

  /** The table and administration are the node's affair. */
  onMessage(message: DriverMessage): void {
    if (this.#stopped) return;
    this.#parts.raft.advanceClock(this.#parts.clock.now());
    switch (message.kind) {
      case "forward":
        this.#forwarding.onForward(message);
        break;
      case "forwardAccepted":
        this.#forwarding.onAccepted(message, this.#appliedIndex);
        break;
      case "forwardRefused":
        this.#forwarding.onRefused(message);
        break;
      default:
        this.#parts.raft.step(message);
    }
    this.#scheduleTurn();
  }

  onPeerIncarnation(peer: NodeId, incarnationId: string): void {
    if (!this.#stopped) this.#parts.raft.peerIncarnation(peer, incarnationId);
  }

  /** Something was proposed to the core directly. */
  wake(): void {
    this.#scheduleTurn();
  }

  onPeerDisconnected(peer: NodeId): void {
    if (this.#stopped) return;
    this.#parts.raft.peerUnreachable(peer);
    this.#scheduleTurn();
  }

  /** What nobody has been asked for, and nobody will be from here, is told so. */
  refuseWaiting(refusal: DatabaseError): void {
    const writes = this.requests.take(Infinity, Infinity);
    for (const write of writes) settle(write, refusal, undefined);
    this.reads.refuseWaiting(refusal);
  }

  /** Nothing is started any more; what waits is told so. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#persistence.stop();
    this.requests.close();
    this.reads.close();
    this.revisionWaits.close();
    this.#snapshots.close();
  }

  /** The one way out for everything that must stop the node. */
  fail(error: Error): void {
    if (this.#stopped) return;
    try {
      this.stop();
    } finally {
      this.#parts.onFailure(error);
    }
  }

  // ---- the turn -----------------------------------------------------------

  #scheduleTurn(): void {
    if (this.#turnScheduled || this.#stopped) return;
    this.#turnScheduled = true;
    this.#parts.clock.defer(() => {
      this.#turnScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#stopped || this.#inTurn) return;
    this.#inTurn = true;
    try {
      this.#gather();
      this.#askForReads();
      this.#carryOutAll();
      // What is to be sent travels before the own disk is waited for.
      this.#parts.transport.flush();
      if (this.#persistence.flushAppended()) {
        this.#carryOutAll();
        this.#parts.transport.flush();
      }
      this.#persistence.lookForRoom();
      this.#parts.members.follow(this.#parts.raft, this.#isMembersDue);
      this.#isMembersDue = false;
    } catch (error) {
      // A failed disk stops the node; an assertion is our mistake and stops the process.
      if (!(error instanceof DatabaseError)) throw error;
      this.fail(error);
    } finally {
      this.#inTurn = false;
    }
    // Applying made room for another block, or a new leader is known.
    if (this.requests.queuedCount > 0 && this.#mayGather()) this.#scheduleTurn();
    const mayAsk = this.#areReadsHeld && !this.#isReadRoundUnderWay(this.#parts.clock.now());
    if (mayAsk) this.#scheduleTurn();
  }

  /** Every Ready there is, but not more than a few helpings of apply in a turn. */
  #carryOutAll(): void {
    const { raft } = this.#parts;
    let appliedSize = 0;
    while (!this.stopped && raft.hasReady()) {
      const ready = raft.ready();
      this.#carryOut(ready);
      for (const { block } of ready.committed) appliedSize += block.length;
      if (appliedSize < APPLY_SIZE_PER_TURN_MAX) continue;
      // A restarted node applies its whole log: peers must be heard meanwhile.
      this.#scheduleTurn();
      return;
    }
  }

  /**
   * Send → persist → apply → answer. The core lets go of no message that speaks of
   * what is not flushed (raft/ready.ts); so what a leader sends is on its way while
   * its own disk works.
   */
  #carryOut(ready: Ready): void {
    if (ready.divergence !== undefined) {
      this.fail(divergenceError(ready.divergence));
      return;
    }
    const { raft, transport } = this.#parts;
    // 1. Send: none of it speaks of what is not flushed.
    for (const { to, message } of ready.messages) transport.send(to, message);
    if (ready.persistId !== 0) transport.flush();
    // 2. Persist. The term is durable before any entry of that term.
    this.#persistence.write(ready);
    if (ready.persistId !== 0) {
      this.#persistence.persist(ready);
      // What is flushed by now is told before anything is applied: a client waits for it.
      for (const { to, message } of raft.takeReleased()) transport.send(to, message);
      transport.flush();
    }
    // 3. Apply.
    for (const entry of ready.committed) this.#apply(entry);
    if (ready.committed.length > 0) raft.applied(this.#appliedIndex);
    // 4. Answer.
    for (const { context, index } of ready.reads) this.reads.granted(context, index);
    for (const context of ready.refusedReads) this.reads.refused(context);
    this.reads.serve(this.#appliedIndex, this.#parts.store);
    this.revisionWaits.serve(this.#parts.store);
    for (const change of ready.roleChanges) this.#parts.onRoleChange(change);
    if (ready.snapshotChunks.length > 0) this.#snapshots.onChunks(ready.snapshotChunks);
  }

  // ---- writes -------------------------------------------------------------

  #mayGather(): boolean {
    const { raft, blocksInFlightMax, id, transport } = this.#parts;
    // While leadership is handed over, requests wait for whoever leads then. Without room
    // on the own disk neither a leader nor a follower would come to know what became of them.
    if (raft.isTransferring || this.#persistence.isFull) return false;
    if (raft.role === "leader") {
      const inFlight = raft.lastIndex - this.#appliedIndex;
      if (inFlight === 0) return true;
      // A block costs three nodes a flush and as many wake-ups, whatever is in it: the next one is
      // no smaller than what is under way, so that a hundred writes go in two halves, not in crumbs.
      return (
        inFlight < blocksInFlightMax && !this.requests.hasMoreOpenThan(this.requests.queuedCount)
      );
    }
    if (raft.leader === undefined || raft.leader === id) return false;
    // What would be dropped on its way out stays here, provably not applied.
    return !this.#forwarding.isHeld && transport.isConnected(raft.leader);
  }

  /** Queued writes become a block here, or go to the leader. */
  #gather(): void {
    this.#refuseForRoom();
    while (this.requests.queuedCount > 0 && this.#mayGather()) {
      const { raft, blockSizeMax } = this.#parts;
      if (raft.role === "leader") {
        if (!this.#proposeBlock()) return;
      } else if (raft.leader !== undefined) {
        this.#forwarding.send(raft.leader, this.requests.take(blockSizeMax, BLOCK_REQUESTS_MAX));
      }
    }
  }

  /** A node without room says so; not at once, for a leader may yet hand over. */
  #refuseForRoom(): void {
    const { raft, electionTicks } = this.#parts;
    if (!this.#persistence.isFull || this.requests.queuedCount === 0) return;
    const isAlone = raft.configuration.voters.length === 1;
    const graceMs = isAlone ? 0 : FULL_DISK_ELECTIONS * electionTicks * TICK_MS;
    const refusal = this.#persistence.refusal(graceMs);
    if (refusal === undefined) return;
    const writes = this.requests.take(Infinity, Infinity);
    this.#forwarding.refuse(
      writes.filter(isRelayed),
      raft.role === "leader" ? "busy" : "not-leader",
    );
    for (const write of writes) if (!isRelayed(write)) settle(write, refusal, undefined);
  }

  /** @returns whether a block was proposed */
  #proposeBlock(): boolean {
    const { raft, clock, blockSizeMax } = this.#parts;
    let writes = this.requests.take(blockSizeMax, BLOCK_REQUESTS_MAX);
    const hasRelayed = writes.some(isRelayed);
    if (hasRelayed) writes = this.#forwarding.withoutStale(writes);
    if (writes.length === 0) return true;
    const time = Math.floor(clock.wallTime());
    const proposal = raft.propose((position) => sealCommands(position, time, writes));
    if (proposal.kind !== "accepted") {
      this.requests.putBack(writes);
      return false;
    }
    const { index, term } = proposal;
    this.requests.placed(
      index,
      term,
      hasRelayed ? this.#forwarding.tellPlacements(writes, proposal) : writes,
    );
    return true;
  }

  // ---- reads ---------------------------------------------------------------

  #askForReads(): void {
    const now = this.#parts.clock.now();
    const hasWhom = this.reads.waitingCount > 0 && this.#parts.raft.leader !== undefined;
    // Without a leader they are not held by a round: nothing is to be done until one is known.
    this.#areReadsHeld = hasWhom && this.#isReadRoundUnderWay(now);
    if (!hasWhom || this.#areReadsHeld) return;
    this.#parts.raft.advanceClock(now);
    const context = this.reads.ask(now);
    if (context !== undefined) this.#parts.raft.requestRead(context);
  }

  /** A round costs a message there and back: the next one is no smaller than those under way. */
  #isReadRoundUnderWay(now: number): boolean {
    return this.reads.waitingCount < this.reads.askedSince(now - READ_ROUND_SLOW_MS);
  }

  // ---- apply ---------------------------------------------------------------

  #onInstalled({ index, term, checksum }: SnapshotHead): void {
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#lastApplied = { index, term, checksum };
    this.requests.skippedTo(index);
    this.#forwarding.skippedTo(index);
    this.reads.serve(this.#appliedIndex, this.#parts.store);
    this.revisionWaits.serve(this.#parts.store);
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, "entries are applied in order, each once");
    const results: (RequestResult | undefined)[] = [];
    const commandCount = entry.kind === "commands" ? this.#fold(entry, results) : 0;
    const { index, term, checksum } = entry;
    this.#appliedIndex = index;
    this.#lastApplied = { index, term, checksum };
    const dead = this.requests.applied(entry.index, entry.term, results);
    if (entry.term > this.#appliedTerm) {
      this.#appliedTerm = entry.term;
      for (const write of this.requests.supersededBy(entry.index, entry.term)) dead.push(write);
    }
    // They came before whatever is queued now.
    this.requests.putBack(dead);
    this.#forwarding.announce(entry.index);
    this.#snapshots.onApplied(entry, commandCount);
  }

  /**
   * Folds the requests of an entry. Nothing is made of a put but what somebody
   * here waits for: it goes from the block's bytes into the store.
   *
   * @param results gets, by position, what is waited for
   * @returns how many commands
   */
  #fold(entry: CommandsEntry, results: (RequestResult | undefined)[]): number {
    const { store } = this.#parts;
    const waiting = this.requests.waitingAt(entry.index, entry.term);
    const cursor = new RequestCursor(entry);
    const { row, time } = cursor;
    let commandCount = 0;
    for (let position = 0; cursor.next(); position++) {
      const placed = waiting?.[position];
      const write = placed ?? this.#takeForwarded(row);
      let result: RequestResult | undefined;
      if (cursor.isPut && write?.needs !== "result") {
        const { keyStart, keySize, valueStart, valueSize, requestStart, requestSize } = row;
        // prettier-ignore
        const revision = store.applyPut(
          row.bytes, keyStart, keySize, valueStart, valueSize, requestStart, requestSize, time,
        );
        if (write?.put !== undefined) result = write.put.applied(revision);
        else if (write !== undefined) result = { kind: "applied", revision, results: NO_RESULTS };
        commandCount += 1;
      } else {
        const request = cursor.take();
        result = store.apply(request, time, write?.needs === "result" ? "result" : "nothing");
        commandCount += request.commands.length;
      }
      if (waiting !== undefined) results.push(result);
      if (placed === undefined && write !== undefined) settle(write, undefined, result);
    }
    return commandCount;
  }

  /** The log brought a request of this node before the leader said where it put it. */
  #takeForwarded(row: RowReader): PendingWrite | undefined {
    if (row.requestSize === 0 || this.requests.forwardedCount === 0) return undefined;
    return this.requests.takeForwarded(row.bytes, row.requestStart);
  }
}
