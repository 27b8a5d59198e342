/**
 * Forwarding: writes of a follower's clients on their way through the leader, seen
 * from both ends.
 *
 *   follower                              leader
 *   queued ── forward (all at once) ────▶ queued, as relayed
 *   placed ◀─ accepted, a message a run ─ placed in a block
 *   queued ◀─ refused ─────────────────── not the leader, or no room
 *
 * The follower watches its own log for what it was told of (requests.ts); the
 * leader keeps nothing but whom to tell of the commit at once.
 */
import type { Forward, ForwardAccepted, ForwardRefused } from "../codec/peer-message.js";
import type { Raft } from "../raft/raft.js";
import type { LogIndex, NodeId, Term } from "../raft/types.js";
import { contentSize } from "../store/limits.js";
import type { Transport } from "../transport/transport.js";
import type { Clock } from "./clock.js";
import { isRelayed, type PendingWrite, type Relay, type RelayedWrite } from "./pending-write.js";
import type { Requests } from "./requests.js";

interface ForwardingParts {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly requests: Requests;
  readonly transport: Transport;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  /** 16 bytes, never the same twice in a cluster's life */
  readonly newRequestId: () => Uint8Array;
}

/** How long a leader keeps a forwarded request that it finds no room for. Milliseconds. */
const RELAY_MS_MAX = 1000;
/** Bytes of writes waiting for a block beyond which a leader takes no more from other nodes. */
const RELAYED_SIZE_MAX = 64 * 1024 * 1024;
/** After a refusal, until the next attempt: the sender may know the new leader by then. Milliseconds. */
const FORWARD_HOLD_MS = 20;
/** Forwardings of one life of a node, at the most. */
const IDS_PER_LIFE = 2 ** 20;

export class Forwarding {
  readonly #parts: ForwardingParts;
  /** whose clients' writes stand at an index of ours: they are told at once when it is committed */
  readonly #relayed = new Map<LogIndex, ReadonlySet<NodeId>>();
  /** of each peer, the newest forwarding that has come */
  readonly #newestIds = new Map<NodeId, number>();
  #nextId: number;
  /** a leader refused a forwarded request: nothing is forwarded before this, by the clock */
  #heldUntil = 0;

  constructor(parts: ForwardingParts) {
    this.#parts = parts;
    this.#nextId = firstForwardId(parts.random);
  }

  // ---- at the node that was asked -------------------------------------------

  get isHeld(): boolean {
    return this.#parts.clock.now() < this.#heldUntil;
  }

  /** Sends queued writes to the leader, in one message. */
  send(leader: NodeId, writes: readonly PendingWrite[]): void {
    const { transport, id: from, raft, requests } = this.#parts;
    // What came when we led: its own node knows the new leader as well as we do.
    this.refuse(writes.filter(isRelayed), "not-leader");
    const own = writes.filter((write) => !isRelayed(write));
    if (own.length === 0) return;
    const named = own.map((write) => this.#withRequestId(write));
    const id = this.#nextId;
    this.#nextId += 1;
    const { term } = raft;
    requests.forwarded(id, named, term);
    const sent = named.map(({ request }) => request);
    transport.send(leader, { kind: "forward", from, id, term, requests: sent });
  }

  /** Named, so that it is recognised when the log brings it, whatever becomes of the leader. */
  #withRequestId(write: PendingWrite): PendingWrite {
    const { request, size, deadline, needs, done, order, orderPlace } = write;
    const { id, ...rest } = request;
    if (id.length !== 0) return write;
    return {
      size,
      deadline,
      needs,
      done,
      ...(order === undefined || orderPlace === undefined ? {} : { order, orderPlace }),
      request: { id: this.#parts.newRequestId(), ...rest },
    };
  }

  /** @param appliedIndex of this node */
  onAccepted({ id, first, count, ...place }: ForwardAccepted, appliedIndex: LogIndex): void {
    const { requests } = this.#parts;
    const writes = requests.takeForwardedRun(id, first, count);
    if (place.index <= appliedIndex) {
      // That entry was applied here without these requests in it: it is another term's.
      requests.putBack(writes.filter((write) => write !== undefined));
      return;
    }
    requests.placed(place.index, place.term, writes, place.position);
  }

  onRefused({ id, first, count }: ForwardRefused): void {
    const { requests, clock } = this.#parts;
    const writes = requests
      .takeForwardedRun(id, first, count)
      .filter((write) => write !== undefined);
    if (writes.length === 0) return;
    this.#heldUntil = clock.now() + FORWARD_HOLD_MS;
    requests.putBack(writes);
  }

  // ---- at the leader ----------------------------------------------------------

  onForward({ from, id, term, requests: asked }: Forward): void {
    const { raft, clock, requests } = this.#parts;
    const relay: Relay = {
      from,
      id,
      term,
      onUnplaced: (write) => {
        this.refuse([write], "busy");
      },
    };
    // The sender keeps the client's deadline; here it only must not wait for ever.
    const deadline = clock.now() + RELAY_MS_MAX;
    const writes = asked.map((request, place): RelayedWrite => {
      const size = contentSize(request);
      return { request, size, deadline, needs: "revision", done: undefined, relay, place };
    });
    if (raft.role !== "leader" || term !== raft.term) this.refuse(writes, "not-leader");
    else if (this.#isLate(from, id)) this.refuse(writes, "busy");
    else if (requests.queuedSize > RELAYED_SIZE_MAX) this.refuse(writes, "busy");
    else for (const write of writes) requests.enqueue(write);
  }

  /** Whether a later forwarding of the same life has come before: what it holds must not happen after that one's. */
  #isLate(from: NodeId, id: number): boolean {
    const newest = this.#newestIds.get(from) ?? id;
    if (id < newest && newest - id < IDS_PER_LIFE) return true;
    this.#newestIds.set(from, id);
    return false;
  }

  /** What came in an earlier reign of ours is refused: its node takes this term's first entry for proof. */
  withoutStale(writes: readonly PendingWrite[]): PendingWrite[] {
    const { term } = this.#parts.raft;
    const isStale = (write: PendingWrite): boolean => isRelayed(write) && write.relay.term !== term;
    this.refuse(writes.filter(isRelayed).filter(isStale), "not-leader");
    return writes.filter((write) => !isStale(write));
  }

  /**
   * A block was proposed: tells the nodes that forwarded some of it where it stands.
   * @returns the writes that are awaited here, by position
   */
  tellPlacements(
    writes: readonly PendingWrite[],
    { index, term }: { readonly index: LogIndex; readonly term: Term },
  ): (PendingWrite | undefined)[] {
    const relayedFrom = new Set<NodeId>();
    for (const { relay, first, count, position } of runsOf(writes)) {
      relayedFrom.add(relay.from);
      this.#parts.transport.send(relay.from, {
        kind: "forwardAccepted",
        from: this.#parts.id,
        id: relay.id,
        first,
        count,
        ...{ index, term, position },
      });
    }
    this.#relayed.set(index, relayedFrom);
    return writes.map((write) => (isRelayed(write) ? undefined : write));
  }

  /** Proves to the nodes that forwarded them that nothing was done with these. */
  refuse(writes: readonly RelayedWrite[], reason: ForwardRefused["reason"]): void {
    for (const { relay, first, count } of runsOf(writes)) {
      const { id: from, transport } = this.#parts;
      transport.send(relay.from, {
        kind: "forwardRefused",
        from,
        id: relay.id,
        first,
        count,
        reason,
      });
    }
  }

  /** Nodes whose clients wait for this entry need not wait for the next heartbeat. */
  announce(index: LogIndex): void {
    const peers = this.#relayed.get(index);
    if (peers === undefined) return;
    this.#relayed.delete(index);
    for (const peer of peers) this.#parts.raft.announceCommit(peer);
  }

  /** A snapshot took the state to `index`. */
  skippedTo(index: LogIndex): void {
    for (const relayed of this.#relayed.keys()) if (relayed <= index) this.#relayed.delete(relayed);
  }
}

/** Requests of one forwarding that stand one behind another. */
interface Run {
  readonly relay: Relay;
  readonly first: number;
  count: number;
  /** of the first, among the writes it was found in */
  readonly position: number;
}

function runsOf(writes: readonly PendingWrite[]): readonly Run[] {
  const runs: Run[] = [];
  let last: Run | undefined;
  writes.forEach((write, position) => {
    if (!isRelayed(write)) {
      last = undefined;
    } else if (last?.relay === write.relay && last.first + last.count === write.place) {
      last.count += 1;
    } else {
      last = { relay: write.relay, first: write.place, count: 1, position };
      runs.push(last);
    }
  });
  return runs;
}

/**
 * Drawn by each life of a node, far from those of its lives before: a leader may
 * answer a forwarding of the life that ended, and must not be taken to mean one of
 * this life.
 */
function firstForwardId(random: () => number): number {
  return Math.floor(random() * 2 ** 32) * IDS_PER_LIFE;
}
