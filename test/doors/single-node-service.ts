/**
 * A node without a cluster: a Store behind the interface that the doors know.
 * Answers come in later turns of the loop, as a node's do; what fails, and when,
 * is set from outside.
 */
import assert from "node:assert/strict";
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
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import type { Limits, Request } from "../../src/store/command.js";
import { checkRequest } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";

export class SingleNodeService implements NodeService {
  readonly id: NodeId = NodeId("n1");
  readonly clusterId = "test-cluster";
  readonly limits: Limits;
  readonly store = new Store();
  /** What every execution, or look, ends with while it is set. */
  executeError: DatabaseError | undefined;
  readError: DatabaseError | undefined;
  /** While true, answers wait for `release`. */
  held = false;
  executeCount = 0;
  readCount = 0;
  /** Each look at this node's clock takes so many milliseconds, and nothing else takes any, however slow the machine is. */
  stepMs = 0;
  #steppedMs = 0;
  /** looks at the store as it is here */
  localReadCount = 0;
  /** what the leader's clock shows; milliseconds since 1970 */
  time = 1_700_000_000_000;
  readonly #waits = new RevisionWaits();
  #waiting: (() => void)[] = [];

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  execute(request: Request, _timeoutMs: number, done: ExecuteDone): void {
    this.executeCount++;
    const error = checkRequest(request, this.limits) ?? this.executeError;
    this.#later(() => {
      if (error !== undefined) done(error, undefined);
      else done(undefined, this.store.apply(request, this.time));
      this.#waits.serve(this.store);
    });
  }

  put({ request, done }: PlainPut): void {
    assert(done !== undefined, "somebody waits for a put");
    this.execute(request, 0, done);
  }

  read(_timeoutMs: number, done: ReadDone): void {
    this.readCount++;
    const error = this.readError;
    this.#later(() => {
      if (error !== undefined) done(error, undefined);
      else done(undefined, this.store);
    });
  }

  whenRevision(revision: number, timeoutMs: number, done: ReadDone): () => void {
    this.localReadCount++;
    // What has come already is told in a later turn, however late that is.
    const isDue = revision <= this.store.revision;
    const deadline = isDue ? Infinity : performance.now() + timeoutMs;
    const giveUp = this.#waits.add(revision, deadline, done);
    if (!isDue) this.#expireIn(timeoutMs);
    setImmediate(() => {
      this.#waits.serve(this.store);
    });
    return giveUp;
  }

  whenChanged(range: KeyRange, since: number, timeoutMs: number, done: ChangeDone): () => void {
    if (this.store.revision >= since) {
      return this.whenRevision(since, timeoutMs, (error, store) => {
        done(error, store, since);
      });
    }
    const deadline = performance.now() + timeoutMs;
    const giveUp = this.#waits.changes.add(range, since, this.store.revision, deadline, done);
    this.#expireIn(timeoutMs);
    return giveUp;
  }

  now(): number {
    return (this.#steppedMs += this.stepMs);
  }

  wallTime(): number {
    return this.time;
  }

  status(_timeoutMs: number, done: StatusDone): void {
    const status: ClusterStatus = {
      clusterId: this.clusterId,
      leader: this.id,
      term: 1,
      nodes: [
        {
          id: this.id,
          role: "leader",
          term: 1,
          alive: true,
          lastIndex: 1,
          commitIndex: 1,
          appliedIndex: 1,
          matchIndex: 1,
          lag: 0,
          peer: "127.0.0.1:13141",
          client: "127.0.0.1:14141",
          reason: "election-won",
        },
      ],
    };
    this.#later(() => {
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
    return {
      id: this.id,
      clusterId: this.clusterId,
      role: "leader",
      term: Term(1),
      leader: this.id,
      reason: "election-won",
      firstIndex: LogIndex(1),
      lastIndex: LogIndex(1),
      flushedIndex: LogIndex(1),
      commitIndex: LogIndex(1),
      appliedIndex: LogIndex(1),
      revision: this.store.revision,
      keyCount: this.store.size,
      peerAddress: "127.0.0.1:13141",
      clientAddress: "127.0.0.1:14141",
      version: "0.0.0-test",
      uptimeSeconds: 0,
    };
  }

  readLog(): readonly Entry[] {
    return [];
  }

  readonly snapshots: SnapshotService = {
    held: () => [],
    save: (_timeoutMs, done) => {
      done(new DatabaseError("STORAGE_FAILED", "nothing is saved here"), undefined);
    },
    readSaved: () => undefined,
  };

  checksumAt(): undefined {
    return undefined;
  }

  /** Lets time go by, and does what is due, as a leader would. */
  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    while (this.time < end) {
      this.time = Math.min(this.time + 1000, end);
      for (;;) {
        const due = this.store.dueRequest(this.time);
        if (due === undefined) break;
        this.store.apply(due, this.time);
      }
    }
    this.#waits.serve(this.store);
  }

  /** Lets go of what was held, in order, and holds no more. */
  release(): void {
    this.held = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const answer of waiting) setImmediate(answer);
  }

  #expireIn(timeoutMs: number): void {
    setTimeout(() => {
      this.#waits.expire(performance.now() + 1);
    }, timeoutMs).unref();
  }

  #later(answer: () => void): void {
    if (this.held) this.#waiting.push(answer);
    else setImmediate(answer);
  }
}
