/**
 * A node of one: the real store behind the real service interface, without Raft,
 * disk or clock. What it does can be bent, so that clients meet a node that has
 * no leader, has too much to do, or is silent.
 */
import assert from "node:assert/strict";
import { entrySealer } from "../../src/codec/block.js";
import type { AdminAction } from "../../src/codec/admin-action.js";
import { DatabaseError } from "../../src/errors.js";
import type {
  ClusterStatus,
  AdminDone,
  ChangeDone,
  ExecuteDone,
  KeyRange,
  NodeInfo,
  NodeService,
  ReadDone,
  SnapshotService,
  StatusDone,
} from "../../src/node/service.js";
import type { PlainPut } from "../../src/node/plain-put.js";
import { RevisionWaits } from "../../src/node/revision-waits.js";
import { type Entry, LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { DEFAULT_LIMITS, type Limits, type Request } from "../../src/store/command.js";
import { checkRequest } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";
import { sealRequests } from "../codec/seal-requests.js";

export type Mood =
  | "serving"
  /** NO_LEADER at once */
  | "leaderless"
  /** BUSY at once */
  | "busy"
  /** nothing before the request's own timeout: OUTCOME_UNKNOWN for writes, TIMEOUT for reads */
  | "stalled"
  /** what comes waits for `release` */
  | "holding";

const TERM = Term(1);
const NO_BYTES = new Uint8Array(0);

interface Waiting {
  readonly run: () => void;
  readonly fail: (error: DatabaseError) => void;
}

export class SingleNodeService implements NodeService {
  readonly id = NodeId("n1");
  readonly clusterId = "0123456789abcdef0123456789abcdef";
  readonly limits: Limits = DEFAULT_LIMITS;
  readonly store = new Store();
  /** Requests handed in, in order, applied or not. */
  readonly executed: Request[] = [];
  /** what `snapshots.save` has written */
  savedBytes = new Uint8Array(0);
  readCount = 0;
  /** what the leader's clock shows; milliseconds since 1970 */
  time = 1_700_000_000_000;
  mood: Mood = "serving";
  readonly #log: Entry[];
  readonly #waiting = new Set<Waiting>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #arrivals = new Set<{ readonly count: number; readonly tell: () => void }>();
  readonly #waits = new RevisionWaits();
  #stopped = false;

  constructor() {
    const sealer = entrySealer(() => 0);
    this.#log = [sealer.noop({ index: LogIndex(1), term: TERM, previousChecksum: 0 })];
  }

  /** requests that have no answer yet */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** requests handed in, answered or not */
  get arrivedCount(): number {
    return this.executed.length + this.readCount;
  }

  /** When `count` requests in all were handed in. */
  arrived(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#arrivals.add({ count, tell: resolve });
      this.#tellArrivals();
    });
  }

  execute(request: Request, timeoutMs: number, done: ExecuteDone): void {
    this.executed.push(request);
    const wrong = checkRequest(request, this.limits);
    const late = new DatabaseError("OUTCOME_UNKNOWN", "not committed in time", {
      requestId: Buffer.from(request.id).toString("hex"),
    });
    this.#begin(timeoutMs, late, wrong, {
      run: () => {
        this.#append(request);
        done(undefined, this.store.apply(request, this.time));
        this.#waits.serve(this.store);
      },
      fail: (error) => {
        done(error, undefined);
      },
    });
  }

  put({ request, done, deadline }: PlainPut): void {
    assert(done !== undefined, "somebody waits for a put");
    this.execute(request, deadline - this.now(), done);
  }

  read(timeoutMs: number, done: ReadDone): void {
    this.readCount += 1;
    const late = new DatabaseError("TIMEOUT", "the read was not confirmed in time");
    this.#begin(timeoutMs, late, undefined, {
      run: () => {
        done(undefined, this.store);
      },
      fail: (error) => {
        done(error, undefined);
      },
    });
  }

  whenRevision(revision: number, timeoutMs: number, done: ReadDone): () => void {
    if (this.store.revision < revision) {
      this.#expireAfter(timeoutMs);
      return this.#waits.add(revision, performance.now() + timeoutMs, done);
    }
    let wanted = true;
    setImmediate(() => {
      if (wanted) done(undefined, this.store);
    });
    return () => {
      wanted = false;
    };
  }

  whenChanged(range: KeyRange, since: number, timeoutMs: number, done: ChangeDone): () => void {
    if (this.store.revision >= since) {
      return this.whenRevision(since, timeoutMs, (error, store) => {
        done(error, store, since);
      });
    }
    const deadline = performance.now() + timeoutMs;
    this.#expireAfter(timeoutMs);
    return this.#waits.changes.add(range, since, this.store.revision, deadline, done);
  }

  now(): number {
    return performance.now();
  }

  wallTime(): number {
    return this.time;
  }

  status(_timeoutMs: number, done: StatusDone): void {
    const index = this.#log.length;
    const status: ClusterStatus = {
      clusterId: this.clusterId,
      leader: this.id,
      term: TERM,
      nodes: [
        {
          id: this.id,
          role: "leader",
          term: TERM,
          alive: true,
          lastIndex: index,
          commitIndex: index,
          appliedIndex: index,
          matchIndex: index,
          lag: 0,
          peer: "127.0.0.1:1",
          client: null,
          reason: "election-won",
        },
      ],
    };
    setImmediate(() => {
      done(undefined, status);
    });
  }

  administer(_action: AdminAction, _timeoutMs: number, done: AdminDone): void {
    setImmediate(() => {
      done(
        new DatabaseError("CHANGE_REFUSED", "a cluster of one has nobody to hand over to"),
        undefined,
      );
    });
  }

  info(): NodeInfo {
    const last = LogIndex(this.#log.length);
    return {
      id: this.id,
      clusterId: this.clusterId,
      role: "leader",
      term: TERM,
      leader: this.id,
      reason: "election-won",
      firstIndex: LogIndex(1),
      lastIndex: last,
      flushedIndex: last,
      commitIndex: last,
      appliedIndex: last,
      revision: this.store.revision,
      keyCount: this.store.size,
      peerAddress: "127.0.0.1:1",
      clientAddress: "127.0.0.1:2",
      version: "0.0.0",
      uptimeSeconds: 1,
    };
  }

  readLog(from: LogIndex, sizeMax: number): readonly Entry[] {
    const entries: Entry[] = [];
    let size = 0;
    for (const entry of this.#log.slice(from - 1)) {
      size += entry.block.length;
      if (entries.length > 0 && size > sizeMax) break;
      entries.push(entry);
    }
    return entries;
  }

  readonly snapshots: SnapshotService = {
    held: () => [{ index: 1, term: 1, checksum: 2, stateChecksum: 3, size: 4 }],
    save: (_timeoutMs, done) => {
      const { length: size } = this.savedBytes;
      const saved = { index: 1, term: 1, revision: this.store.revision, size, fileChecksum: 0 };
      done(undefined, saved);
    },
    readSaved: (index, offset, sizeMax) =>
      index === 1 ? this.savedBytes.subarray(offset, offset + sizeMax) : undefined,
  };

  checksumAt(index: LogIndex): { readonly term: Term; readonly checksum: number } | undefined {
    const entry = this.#log[index - 1];
    return entry === undefined ? undefined : { term: entry.term, checksum: entry.checksum };
  }

  /** Answers what is held. @param reversed the last first */
  release(reversed = false): void {
    this.mood = "serving";
    const held = [...this.#waiting];
    this.#waiting.clear();
    for (const { run } of reversed ? held.reverse() : held) run();
  }

  /** As a leader does when time has passed: what is due is proposed and applied. */
  passTime(ms: number): void {
    this.time += ms;
    for (let due = this.store.dueRequest(this.time); due !== undefined;) {
      this.#append(due);
      this.store.apply(due, this.time);
      due = this.store.dueRequest(this.time);
    }
    this.#waits.serve(this.store);
  }

  /** As a node that closes: what waits is refused, and nothing more is taken. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waits.close();
    for (const { fail } of this.#waiting) fail(new DatabaseError("CLOSED", "the node is closed"));
    this.#waiting.clear();
  }

  /** As a node's tick: behind what was there to be done when the time was up. */
  #expireAfter(timeoutMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      setImmediate(() => {
        this.#waits.expire(performance.now() + 1);
      });
    }, timeoutMs);
    this.#timers.add(timer);
  }

  #begin(
    timeoutMs: number,
    late: DatabaseError,
    wrong: DatabaseError | undefined,
    waiting: Waiting,
  ): void {
    this.#tellArrivals();
    const refusal = wrong ?? this.#refusal();
    if (refusal !== undefined) {
      setImmediate(() => {
        waiting.fail(refusal);
      });
      return;
    }
    this.#waiting.add(waiting);
    if (this.mood === "holding") return;
    if (this.mood === "stalled") {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (this.#waiting.delete(waiting)) waiting.fail(late);
      }, timeoutMs);
      this.#timers.add(timer);
      return;
    }
    setImmediate(() => {
      if (this.#waiting.delete(waiting)) waiting.run();
    });
  }

  #tellArrivals(): void {
    for (const arrival of this.#arrivals) {
      if (arrival.count > this.arrivedCount) continue;
      this.#arrivals.delete(arrival);
      arrival.tell();
    }
  }

  #refusal(): DatabaseError | undefined {
    if (this.#stopped) return new DatabaseError("CLOSED", "the node is closed");
    if (this.mood === "leaderless") return new DatabaseError("NO_LEADER", "no leader is known");
    if (this.mood === "busy") return new DatabaseError("BUSY", "too much is waiting");
    return undefined;
  }

  #append(request: Request): void {
    const previous = this.#log.at(-1);
    const position = {
      index: LogIndex(this.#log.length + 1),
      term: TERM,
      previousChecksum: previous?.checksum ?? 0,
    };
    this.#log.push(sealRequests(position, 0, [request]));
  }
}

/** Every key and value of a store, as text. */
export function contentOf(store: Store): Record<string, string> {
  const { keyValues } = store.range(NO_BYTES, NO_BYTES, Infinity, Infinity);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
  return Object.fromEntries(keyValues.map(({ key, value }) => [text(key), text(value)]));
}
