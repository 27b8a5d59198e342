/**
 * The driver: where the floors meet. One loop orders persist → send → apply →
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
import { decodeRequests, entryTime, sealCommands } from "../codec/block.js";
import type { Forward, ForwardAccepted, ForwardRefused } from "../codec/peer-message.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { Message } from "../raft/message.js";
import type { Raft } from "../raft/raft.js";
import type { Ready } from "../raft/ready.js";
import type { LogIndex } from "../raft/types.js";
import { Term, type Entry, type NodeId, type RoleChange } from "../raft/types.js";
import type { HardStateFile } from "../storage/hard-state.js";
import type { LogBase, LogStorage } from "../storage/log-storage.js";
import type { RequestResult } from "../store/command.js";
import { contentSize } from "../store/limits.js";
import type { Store } from "../store/store.js";
import type { SnapshotDirectory } from "../storage/snapshot-directory.js";
import type { Transport } from "../transport/transport.js";
import type { Clock } from "./clock.js";
import { divergenceError } from "./divergence.js";
import { Persistence } from "./persistence.js";
import { Snapshots } from "./snapshots.js";
import type { Members } from "./members.js";
import { Reads } from "./reads.js";
import { RevisionWaits } from "./revision-waits.js";
import { TICK_MS } from "./settings.js";
import { isRelayed, Requests, settle, type PendingWrite, type RelayedWrite } from "./requests.js";

export interface DriverParts {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly log: LogStorage;
  readonly hardState: HardStateFile;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  /** bytes of commands gathered into one block; a larger request travels alone */
  readonly blockSizeMax: number;
  /** blocks proposed and not yet applied; what comes meanwhile gathers for the next one */
  readonly blocksInFlightMax: number;
  /** a loop that stood still for so many ticks is not fit to lead */
  readonly electionTicks: number;
  /** uniform in [0, 1) */
  readonly random: () => number;
  /** whether a fast disk may be waited for on the event loop */
  readonly flushesOnLoop: boolean;
  /** 16 bytes, never the same twice in a cluster's life */
  readonly newRequestId: () => Uint8Array;
  readonly members: Members;
  readonly clusterId: string;
  readonly snapshots: SnapshotDirectory;
  /** commands, or bytes of blocks, applied between two snapshots */
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  readonly notice: (line: string) => void;
  readonly onRoleChange: (change: RoleChange) => void;
  /** The node cannot go on: its disk failed, or its log contradicts the leader's. Called once. */
  readonly onFailure: (error: Error) => void;
}

/** Raft's own messages, and forwarded requests. */
export type DriverMessage = Message | Forward | ForwardAccepted | ForwardRefused;

/** Commands of one block; bounds the positions of an entry. */
const BLOCK_REQUESTS_MAX = 16_384;
/** So few writes under way are next to nobody waiting. */
const LONE_WRITES_MAX = 4;
/** A read round without an answer for this long was lost. Milliseconds. */
const READ_ROUND_LOST_MS = 250;
/** How long a leader keeps a forwarded request that it finds no room for. Milliseconds. */
const RELAY_MS_MAX = 1000;
/** Bytes of writes waiting for a block beyond which a leader takes no more from other nodes. */
const RELAYED_SIZE_MAX = 64 * 1024 * 1024;
/** Ticks made up for in one go after a pause. */
const TICKS_AT_ONCE_MAX = 64;
/** How long a leader waits for what it proposed by itself, before it may ask again. Milliseconds. */
const UPKEEP_MS_MAX = 5000;
/** After a refusal, until the next attempt: the sender may know the new leader by then. Milliseconds. */
const FORWARD_HOLD_MS = 20;
/** Bytes of blocks applied in one turn before peers and clients have theirs. */
const APPLY_SIZE_PER_TURN_MAX = 32 * 1024;
/** Elections that may pass before a leader without room refuses writes: another one may lead by then. */
const FULL_DISK_ELECTIONS = 2;
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
  /** whose clients' writes stand at an index of ours: they are told at once when it is committed */
  readonly #relayed = new Map<LogIndex, ReadonlySet<NodeId>>();
  #turnScheduled = false;
  #inTurn = false;
  #stopped = false;
  #lastExpiry = 0;
  #nextForwardId: number;
  /** a leader refused a forwarded request: nothing is forwarded before this, by the clock */
  #forwardHeldUntil = 0;
  readonly #persistence: Persistence;
  readonly #snapshots: Snapshots;
  /** what this leader proposed by itself is not applied yet */
  #upkeepUnderWay = false;
  /** once a tick: who must be reached may have changed without a new configuration */
  #isMembersDue = true;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    const { clusterId, raft, log, store, clock, notice } = parts;
    this.#snapshots = new Snapshots({
      ...{ clusterId, raft, log, store, clock, notice },
      directory: parts.snapshots,
      entriesMax: parts.snapshotEntries,
      bytesMax: parts.snapshotBytes,
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
    this.#nextForwardId = firstForwardId(parts.random);
    const index = (this.#appliedIndex = parts.raft.status().appliedIndex);
    this.#lastApplied = { index, term: log.term(index), checksum: log.checksum(index) };
  }

  #makePersistence(): Persistence {
    const { id, raft, log, hardState, clock, flushesOnLoop, notice } = this.#parts;
    return new Persistence({
      ...{ id, raft, log, hardState, clock, flushesOnLoop, notice },
      isLone: () => !this.requests.hasMoreOpenThan(LONE_WRITES_MAX),
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

  write(write: PendingWrite): void {
    this.requests.enqueue(write);
    this.#scheduleTurn();
  }

  read(deadline: number, done: Parameters<Reads["add"]>[1]): void {
    this.reads.add(deadline, done);
    this.#scheduleTurn();
  }

  onTick(elapsedTicks: number): void {
    if (this.#stopped) return;
    // A process that slept for an hour needs not live through every one of its ticks.
    const ticks = Math.min(elapsedTicks, TICKS_AT_ONCE_MAX);
    this.#parts.raft.advanceClock(this.#parts.clock.now());
    if (elapsedTicks >= this.#parts.electionTicks) this.#parts.raft.stalled();
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
    this.#proposeUpkeep();
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
        this.#onForward(message);
        break;
      case "forwardAccepted":
        this.#onForwardAccepted(message);
        break;
      case "forwardRefused":
        this.#onForwardRefused(message);
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
    this.stop();
    this.#parts.onFailure(error);
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
      this.#parts.log.noteFlushed();
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
  }

  /** Every Ready there is, but not more than a few helpings of apply in a turn. */
  #carryOutAll(): void {
    const { raft } = this.#parts;
    let appliedSize = 0;
    while (!this.#isStopped() && raft.hasReady()) {
      const ready = raft.ready();
      this.#carryOut(ready);
      for (const { block } of ready.committed) appliedSize += block.length;
      if (appliedSize < APPLY_SIZE_PER_TURN_MAX) continue;
      // A restarted node applies its whole log: peers must be heard meanwhile.
      this.#scheduleTurn();
      return;
    }
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  /** Persist → send → apply → answer: the order of one Ready (raft/ready.ts). */
  #carryOut(ready: Ready): void {
    if (ready.divergence !== undefined) {
      this.fail(divergenceError(ready.divergence));
      return;
    }
    const { transport } = this.#parts;
    // 1. Persist. The term is durable before any entry of that term.
    this.#persistence.write(ready);
    // 2. Send: none of it speaks of what is not flushed.
    for (const { to, message } of ready.messages) transport.send(to, message);
    if (ready.persistId !== 0) this.#persistence.persist(ready);
    // 3. Apply.
    for (const entry of ready.committed) this.#apply(entry);
    if (ready.committed.length > 0) this.#parts.raft.applied(this.#appliedIndex);
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
    const { raft, blocksInFlightMax, id, clock } = this.#parts;
    // While leadership is handed over, requests wait for whoever leads then. Without room
    // on the own disk neither a leader nor a follower would come to know what became of them.
    if (raft.isTransferring || this.#persistence.isFull) return false;
    if (raft.role === "leader") return raft.lastIndex - this.#appliedIndex < blocksInFlightMax;
    if (raft.leader === undefined || raft.leader === id) return false;
    return clock.now() >= this.#forwardHeldUntil;
  }

  /** Queued writes become a block here, or go to the leader. */
  #gather(): void {
    this.#refuseForRoom();
    while (this.requests.queuedCount > 0 && this.#mayGather()) {
      const { raft } = this.#parts;
      if (raft.role === "leader") {
        if (!this.#proposeBlock()) return;
      } else if (raft.leader !== undefined) {
        this.#forward(raft.leader);
      }
    }
  }

  /** A node without room says so; not at once, for a leader may yet hand over. */
  #refuseForRoom(): void {
    const { raft, electionTicks } = this.#parts;
    if (!this.#persistence.isFull) return;
    const isAlone = raft.configuration.voters.length === 1;
    const graceMs = isAlone ? 0 : FULL_DISK_ELECTIONS * electionTicks * TICK_MS;
    const refusal = this.#persistence.refusal(graceMs);
    if (refusal === undefined) return;
    for (const write of this.requests.take(Infinity, Infinity)) {
      if (!isRelayed(write)) settle(write, refusal, undefined);
      else this.#refuse(write, raft.role === "leader" ? "busy" : "not-leader");
    }
  }

  /** @returns whether a block was proposed */
  #proposeBlock(): boolean {
    const { raft, clock, blockSizeMax } = this.#parts;
    const writes = this.requests.take(blockSizeMax, BLOCK_REQUESTS_MAX).filter((write) => {
      // It came in an earlier reign of ours: its node takes this term's first entry for proof.
      const isStale = isRelayed(write) && write.term !== raft.term;
      if (isStale) this.#refuse(write, "not-leader");
      return !isStale;
    });
    if (writes.length === 0) return true;
    const time = Math.floor(clock.wallTime());
    const proposal = raft.propose((position) =>
      sealCommands(
        position,
        time,
        writes.map((write) => write.request),
      ),
    );
    if (proposal.kind !== "accepted") {
      this.requests.putBack(writes);
      return false;
    }
    const relayedFrom = new Set<NodeId>();
    const placed = writes.map((write, position) => {
      if (!isRelayed(write)) return write;
      relayedFrom.add(write.relayedFrom);
      this.#tellPlacement(write, proposal.index, proposal.term, position);
      return undefined;
    });
    this.requests.placed(proposal.index, proposal.term, placed);
    if (relayedFrom.size > 0) this.#relayed.set(proposal.index, relayedFrom);
    return true;
  }

  #forward(leader: NodeId): void {
    const { transport, id, blockSizeMax, raft } = this.#parts;
    for (const write of this.requests.take(blockSizeMax, BLOCK_REQUESTS_MAX)) {
      if (isRelayed(write)) {
        // It came when we led. Its own node knows the new leader as well as we do.
        this.#refuse(write, "not-leader");
        continue;
      }
      const named = this.#withRequestId(write);
      const forwardId = this.#nextForwardId;
      this.#nextForwardId += 1;
      const { term } = raft;
      const { request } = named;
      this.requests.forwarded(forwardId, named, term);
      transport.send(leader, { kind: "forward", from: id, id: forwardId, term, request });
    }
  }

  // ---- requests of other nodes' clients ------------------------------------

  #onForward(message: Forward): void {
    const { raft, clock } = this.#parts;
    const write: RelayedWrite = {
      request: message.request,
      size: contentSize(message.request),
      // The sender keeps the client's deadline; here it only must not wait for ever.
      deadline: clock.now() + RELAY_MS_MAX,
      needs: "revision",
      done: () => {
        this.#refuse(write, "busy");
      },
      relayedFrom: message.from,
      forwardId: message.id,
      term: message.term,
    };
    if (raft.role !== "leader" || message.term !== raft.term) this.#refuse(write, "not-leader");
    else if (this.requests.queuedSize > RELAYED_SIZE_MAX) this.#refuse(write, "busy");
    else this.requests.enqueue(write);
  }

  #tellPlacement(write: RelayedWrite, index: LogIndex, term: Term, position: number): void {
    this.#parts.transport.send(write.relayedFrom, {
      kind: "forwardAccepted",
      from: this.#parts.id,
      id: write.forwardId,
      index,
      term,
      position,
    });
  }

  #refuse(write: RelayedWrite, reason: ForwardRefused["reason"]): void {
    this.#parts.transport.send(write.relayedFrom, {
      kind: "forwardRefused",
      from: this.#parts.id,
      id: write.forwardId,
      reason,
    });
  }

  #onForwardAccepted(message: ForwardAccepted): void {
    const write = this.requests.takeForwardedById(message.id);
    if (write === undefined) return; // applied already, or given up
    if (message.index <= this.#appliedIndex) {
      // That entry was applied here without this request in it: it is another term's.
      this.requests.putBack([write]);
      return;
    }
    const writes: (PendingWrite | undefined)[] = [];
    writes[message.position] = write;
    this.requests.placed(message.index, message.term, writes);
  }

  #onForwardRefused(message: ForwardRefused): void {
    const write = this.requests.takeForwardedById(message.id);
    if (write === undefined) return;
    this.#forwardHeldUntil = this.#parts.clock.now() + FORWARD_HOLD_MS;
    this.requests.putBack([write]);
  }

  /** Named, so that it is recognised when the log brings it, whatever becomes of the leader. */
  #withRequestId(write: PendingWrite): PendingWrite {
    if (write.request.id.length !== 0) return write;
    return { ...write, request: { ...write.request, id: this.#parts.newRequestId() } };
  }

  // ---- reads ---------------------------------------------------------------

  #askForReads(): void {
    if (this.reads.waitingCount === 0 || this.#parts.raft.leader === undefined) return;
    const now = this.#parts.clock.now();
    this.#parts.raft.advanceClock(now);
    const context = this.reads.ask(now);
    if (context !== undefined) this.#parts.raft.requestRead(context);
  }

  // ---- what a leader proposes by itself --------------------------------------

  /** Expiries and the like: decided by the leader's clock, done by the log (law 1). */
  #proposeUpkeep(): void {
    const { raft, store, clock } = this.#parts;
    if (raft.role !== "leader" || this.#upkeepUnderWay || this.#persistence.isFull) return;
    const now = Math.floor(clock.wallTime());
    if (now < (store.nextDueTime ?? Infinity)) return;
    const request = store.dueRequest(now);
    if (request === undefined) return;
    this.#upkeepUnderWay = true;
    this.requests.enqueue({
      request,
      size: contentSize(request),
      deadline: clock.now() + UPKEEP_MS_MAX,
      needs: "revision",
      done: () => {
        this.#upkeepUnderWay = false;
      },
    });
  }

  // ---- apply ---------------------------------------------------------------

  #onInstalled({ index, term, checksum }: SnapshotHead): void {
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#lastApplied = { index, term, checksum };
    this.requests.skippedTo(index);
    for (const relayed of this.#relayed.keys()) if (relayed <= index) this.#relayed.delete(relayed);
    this.reads.serve(this.#appliedIndex, this.#parts.store);
    this.revisionWaits.serve(this.#parts.store);
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, "entries are applied in order, each once");
    const results: RequestResult[] = [];
    let commandCount = 0;
    if (entry.kind === "commands") {
      const time = entryTime(entry);
      for (const request of decodeRequests(entry)) {
        const result = this.#parts.store.apply(request, time);
        results.push(result);
        const forwarded = this.requests.takeForwarded(request.id);
        if (forwarded !== undefined) settle(forwarded, undefined, result);
        commandCount += request.commands.length;
      }
    }
    const { index, term, checksum } = entry;
    this.#appliedIndex = index;
    this.#lastApplied = { index, term, checksum };
    const dead = this.requests.applied(entry.index, entry.term, results);
    if (entry.term > this.#appliedTerm) {
      this.#appliedTerm = entry.term;
      dead.push(...this.requests.supersededBy(entry.index, entry.term));
    }
    // They came before whatever is queued now.
    this.requests.putBack(dead);
    this.#announce(entry.index);
    this.#snapshots.onApplied(entry, commandCount);
  }

  /** Nodes whose clients wait for this entry need not wait for the next heartbeat. */
  #announce(index: LogIndex): void {
    const peers = this.#relayed.get(index);
    if (peers === undefined) return;
    this.#relayed.delete(index);
    for (const peer of peers) this.#parts.raft.announceCommit(peer);
  }
}

/**
 * Drawn by each life of a node, far from those of its lives before: a leader may
 * answer a forwarding of the life that ended, and must not be taken to mean one of
 * this life.
 */
function firstForwardId(random: () => number): number {
  return Math.floor(random() * 2 ** 32) * 2 ** 20;
}
