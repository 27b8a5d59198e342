/**
 * A node: the driver with a service around it. What the doors call, and what the
 * transport calls; it decides nothing itself.
 */
import type { AdminAction } from "../codec/admin-action.js";
import type { PeerMessage, StatusRequest, StatusResult } from "../codec/peer-message.js";
import { DatabaseError } from "../errors.js";
import type { Raft } from "../raft/raft.js";
import type { Term } from "../raft/types.js";
import { LogIndex, type Entry, type NodeId } from "../raft/types.js";
import type { LogStorage } from "../storage/log-storage.js";
import type { Limits, Request } from "../store/command.js";
import { checkPutSizes, checkRequest, contentSize } from "../store/limits.js";
import type { Store } from "../store/store.js";
import type { Transport, TransportHandler } from "../transport/transport.js";
import { Administration } from "./administration.js";
import type { Clock } from "./clock.js";
import type { Driver } from "./driver.js";
import { mayGrow, tableFull } from "./full-table.js";
import type { Members } from "./members.js";
import type { PlainPut } from "./plain-put.js";
import { settle } from "./pending-write.js";
import type {
  AdminDone,
  ChangeDone,
  ClusterStatus,
  ExecuteDone,
  KeyRange,
  Needs,
  NodeInfo,
  NodeService,
  ReadDone,
  SnapshotService,
  StatusDone,
} from "./service.js";
import type { Saves } from "./saves.js";
import { clusterStatus, readStatus } from "./status.js";
import type { WriteOrder } from "./write-order.js";
import { stoppingError } from "./stopping.js";

export interface NodeParts {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly raft: Raft;
  readonly log: LogStorage;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly driver: Driver;
  readonly members: Members;
  readonly saves: Saves;
  readonly limits: Limits;
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly version: string;
  /** One line worth telling the operator. */
  readonly notice: (line: string) => void;
}

/** Bytes of writes that may wait for a block, here or at the leader; beyond it BUSY. */
const UNPLACED_SIZE_MAX = 64 * 1024 * 1024;
/** And how many: the smallest costs some 700 bytes while it waits. */
const UNPLACED_COUNT_MAX = 2 ** 19;

interface PendingStatus {
  readonly deadline: number;
  readonly done: StatusDone;
}

export class Node implements NodeService, TransportHandler {
  readonly #parts: NodeParts;
  readonly #startedAt: number;
  readonly #administration: Administration;
  #nextStatusId = 1;
  readonly #statusRequests = new Map<number, PendingStatus>();
  #closed = false;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    const { id, raft, transport, clock, members, driver } = parts;
    this.#administration = new Administration({
      id,
      raft,
      transport,
      clock,
      members,
      onProposed: () => {
        driver.wake();
      },
    });
  }

  get id(): NodeId {
    return this.#parts.id;
  }

  get clusterId(): string {
    return this.#parts.clusterId;
  }

  get limits(): Limits {
    return this.#parts.limits;
  }

  get snapshots(): SnapshotService {
    return this.#parts.saves;
  }

  execute(
    request: Request,
    timeoutMs: number,
    done: ExecuteDone,
    needs: Needs = "result",
    order?: WriteOrder,
  ): void {
    const { clock, driver, limits } = this.#parts;
    const refusal = this.#closed
      ? stoppingError()
      : (checkRequest(request, limits) ??
        this.#removed() ??
        this.#overload() ??
        this.#withoutRoom(request));
    if (refusal !== undefined) {
      clock.defer(() => {
        done(refusal, undefined);
      });
      return;
    }
    driver.write({
      request,
      size: contentSize(request),
      deadline: clock.now() + timeoutMs,
      needs,
      done,
      ...(order === undefined ? {} : { order, orderPlace: order.next() }),
    });
  }

  put(put: PlainPut): void {
    const { clock, driver, limits } = this.#parts;
    const refusal = this.#closed
      ? stoppingError()
      : (checkPutSizes(put.keySize, put.valueSize, limits) ??
        this.#removed() ??
        this.#overload() ??
        this.#withoutRoom());
    if (refusal !== undefined) {
      clock.defer(() => {
        settle(put, refusal, undefined);
      });
      return;
    }
    put.begin();
    driver.write(put);
  }

  #removed(): DatabaseError | undefined {
    if (!this.#parts.raft.isRemoved) return undefined;
    return new DatabaseError(
      "UNAVAILABLE",
      `${this.id} was removed from the cluster: ask another node`,
    );
  }

  /** @param request a put when there is none */
  #withoutRoom(request?: Request): DatabaseError | undefined {
    if (!this.#parts.store.isNearlyFull) return undefined;
    return request === undefined || mayGrow(request) ? tableFull(this.id) : undefined;
  }

  #overload(): DatabaseError | undefined {
    const { unplacedSize, unplacedCount } = this.#parts.driver.requests;
    if (unplacedSize < UNPLACED_SIZE_MAX && unplacedCount < UNPLACED_COUNT_MAX) return undefined;
    return new DatabaseError(
      "BUSY",
      `${unplacedCount} writes of ${unplacedSize} bytes are waiting (limits ${UNPLACED_COUNT_MAX} and ` +
        `${UNPLACED_SIZE_MAX}): nothing was applied, try again`,
    );
  }

  read(timeoutMs: number, done: ReadDone): void {
    const { clock, driver } = this.#parts;
    const refusal = this.#closed ? stoppingError() : this.#removed();
    if (refusal !== undefined) {
      clock.defer(() => {
        done(refusal, undefined);
      });
      return;
    }
    driver.read(clock.now() + timeoutMs, done);
  }

  whenRevision(revision: number, timeoutMs: number, done: ReadDone): () => void {
    const { clock, driver, store } = this.#parts;
    if (!this.#isStopping && store.revision < revision) {
      return driver.revisionWaits.add(revision, clock.now() + timeoutMs, done);
    }
    return this.#soon(done);
  }

  whenChanged(range: KeyRange, since: number, timeoutMs: number, done: ChangeDone): () => void {
    const { clock, driver, store } = this.#parts;
    const { revision } = store;
    if (!this.#isStopping && revision < since) {
      const deadline = clock.now() + timeoutMs;
      return driver.revisionWaits.changes.add(range, since, revision, deadline, done);
    }
    return this.#soon((error, view) => {
      done(error, view, since);
    });
  }

  /** Being closed, or about to be: its disk has failed. */
  get #isStopping(): boolean {
    return this.#closed || this.#parts.driver.stopped;
  }

  /** Tells `done` of the store as it is, not before the caller has returned. */
  #soon(done: ReadDone): () => void {
    const { clock, store } = this.#parts;
    let wanted = true;
    clock.defer(() => {
      if (!wanted) return;
      if (this.#isStopping) done(stoppingError(), undefined);
      else done(undefined, store);
    });
    return () => {
      wanted = false;
    };
  }

  now(): number {
    return this.#parts.clock.now();
  }

  wallTime(): number {
    return this.#parts.clock.wallTime();
  }

  status(timeoutMs: number, done: StatusDone): void {
    const { raft, clock, transport, id } = this.#parts;
    const leader = raft.leader;
    // Its own table would be one of a cluster that is gone for it.
    const removed = this.#removed();
    if (removed !== undefined) {
      clock.defer(() => {
        done(removed, undefined);
      });
      return;
    }
    if (leader === undefined || leader === id || this.#closed) {
      const own = this.#ownStatus();
      clock.defer(() => {
        done(undefined, own);
      });
      return;
    }
    const requestId = this.#nextStatusId;
    this.#nextStatusId += 1;
    // The leader may be dead: after half the time, what this node knows has to do.
    this.#statusRequests.set(requestId, { deadline: clock.now() + timeoutMs / 2, done });
    transport.send(leader, { kind: "statusRequest", from: id, id: requestId });
    transport.flush();
  }

  administer(action: AdminAction, timeoutMs: number, done: AdminDone): void {
    if (this.#closed) {
      this.#parts.clock.defer(() => {
        done(stoppingError(), undefined);
      });
      return;
    }
    this.#administration.execute(action, timeoutMs, done);
  }

  info(): NodeInfo {
    const { raft, log, store, clock } = this.#parts;
    const status = raft.status();
    return {
      id: this.id,
      clusterId: this.clusterId,
      role: status.role,
      term: status.term,
      leader: status.leader,
      reason: status.reason,
      firstIndex: log.firstIndex,
      lastIndex: status.lastIndex,
      flushedIndex: status.flushedIndex,
      commitIndex: status.commitIndex,
      appliedIndex: status.appliedIndex,
      revision: store.revision,
      keyCount: store.size,
      peerAddress: this.#parts.peerAddress,
      clientAddress: this.#parts.clientAddress,
      version: this.#parts.version,
      uptimeSeconds: Math.floor((clock.now() - this.#startedAt) / 1000),
    };
  }

  readLog(from: LogIndex, sizeMax: number): readonly Entry[] {
    const { log, raft } = this.#parts;
    // What is not committed may still be replaced: only the committed part is history.
    // And what is not flushed may be elsewhere only.
    const { commitIndex, flushedIndex } = raft.status();
    const last = LogIndex(Math.min(log.lastIndex, commitIndex, flushedIndex));
    const first = LogIndex(Math.max(from, log.firstIndex));
    return first > last ? [] : log.read(first, last, sizeMax);
  }

  checksumAt(index: LogIndex): { readonly term: Term; readonly checksum: number } | undefined {
    const { log, raft } = this.#parts;
    if (index < log.firstIndex - 1 || index > Math.min(log.lastIndex, raft.flushedIndex)) {
      return undefined;
    }
    return { term: log.term(index), checksum: log.checksum(index) };
  }

  // ---- the transport's calls ------------------------------------------------

  onMessage(message: PeerMessage): void {
    if (this.#closed) return;
    switch (message.kind) {
      case "statusRequest":
        this.#onStatusRequest(message);
        break;
      case "statusResult":
        this.#onStatusResult(message);
        break;
      case "administer":
        this.#administration.onAdminister(message);
        break;
      case "administered":
        this.#administration.onAdministered(message);
        break;
      default:
        this.#parts.driver.onMessage(message);
    }
  }

  onPeerIncarnation(peer: NodeId, incarnationId: string): void {
    this.#parts.driver.onPeerIncarnation(peer, incarnationId);
  }

  onPeerConnected(peer: NodeId): void {
    this.#parts.notice(`connected to ${peer}`);
    this.#parts.raft.peerReachable(peer);
    this.#parts.driver.wake();
  }

  onPeerDisconnected(peer: NodeId): void {
    this.#parts.notice(`lost the connection to ${peer}`);
    this.#parts.driver.onPeerDisconnected(peer);
  }

  onNotice(notice: string): void {
    this.#parts.notice(notice);
  }

  onTick(elapsedTicks: number): void {
    this.#parts.driver.onTick(elapsedTicks);
    const removed = this.#removed();
    if (removed !== undefined) this.#parts.driver.refuseWaiting(removed);
    this.#administration.look();
    this.#parts.saves.look();
    const now = this.#parts.clock.now();
    for (const [id, pending] of this.#statusRequests) {
      if (pending.deadline > now) continue;
      this.#statusRequests.delete(id);
      pending.done(undefined, this.#ownStatus());
    }
  }

  /** No request is taken any more; those under way are answered with what is known of them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.driver.stop();
    this.#parts.saves.close();
    this.#administration.close();
    for (const { done } of this.#statusRequests.values()) done(undefined, this.#ownStatus());
    this.#statusRequests.clear();
  }

  // ---- the status table -------------------------------------------------------

  #ownStatus(): ClusterStatus {
    const { raft, transport, clusterId, peerAddress, clientAddress } = this.#parts;
    return clusterStatus({
      clusterId,
      raft: raft.status(),
      learners: raft.configuration.learners,
      peerAddress,
      clientAddress,
      connections: transport.connections(),
    });
  }

  #onStatusRequest(message: StatusRequest): void {
    const { raft, transport, id } = this.#parts;
    const json = raft.role === "leader" ? JSON.stringify(this.#ownStatus()) : "";
    transport.send(message.from, { kind: "statusResult", from: id, id: message.id, json });
    transport.flush();
  }

  #onStatusResult(message: StatusResult): void {
    const pending = this.#statusRequests.get(message.id);
    if (pending === undefined) return;
    this.#statusRequests.delete(message.id);
    pending.done(undefined, this.#parseStatus(message.json));
  }

  /** The leader's table, completed with what only this node knows: its own reason. */
  #parseStatus(json: string): ClusterStatus {
    const own = this.#ownStatus();
    const theirs = json === "" ? undefined : readStatus(json);
    if (theirs === undefined) return own;
    const mine = own.nodes.find((node) => node.id === this.id);
    const nodes = theirs.nodes.map((node) =>
      node.id === this.id
        ? // eslint-disable-next-line no-restricted-syntax -- for a person who asks
          { ...node, reason: mine?.reason ?? null, client: mine?.client ?? node.client }
        : node,
    );
    // eslint-disable-next-line no-restricted-syntax -- likewise
    return { ...theirs, nodes };
  }
}
