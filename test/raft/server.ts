/** One server alone on its bench: what goes in is written by hand, what comes out is kept. */
import assert from "node:assert/strict";
import { Raft } from "../../src/raft/raft.js";
import { LogIndex, NodeId, Term, Ticks } from "../../src/raft/types.js";
import { Disk } from "./disk.js";
import { payloadOf, sealCommands, testSealer, voters } from "./seal.js";
import type { Envelope, Message } from "../../src/raft/message.js";
import type { RaftOptions } from "../../src/raft/options.js";
import type { Divergence, ProposeResult, ReadState, RaftStatus } from "../../src/raft/ready.js";
import type { Entry, RoleChange, SnapshotSource } from "../../src/raft/types.js";

/** Entries of the given terms, chained. */
export function entriesOf(terms: readonly number[], flavour = "x"): Entry[] {
  const entries: Entry[] = [];
  for (const term of terms) {
    const index = LogIndex(entries.length + 1);
    const previousChecksum = entries.at(-1)?.checksum ?? 0;
    entries.push(sealCommands({ index, term: Term(term), previousChecksum }, flavour));
  }
  return entries;
}

/** Nothing was compacted: there is nothing to send. */
export const noSnapshots: SnapshotSource = { newest: undefined, read: () => undefined };

export interface ServerOptions extends Partial<Omit<RaftOptions, "log" | "hardState">> {
  readonly voterCount?: number;
  readonly log?: readonly Entry[];
  readonly term?: number;
  readonly vote?: NodeId;
}

/** Server 1 of `voterCount` (3). Its disk flushes with every Ready, unless told to stall. */
export class Server {
  readonly disk = new Disk();
  readonly raft: Raft;
  readonly sent: Envelope[] = [];
  readonly roleChanges: RoleChange[] = [];
  readonly reads: ReadState[] = [];
  readonly refusedReads: number[] = [];
  readonly applied: string[] = [];
  divergence: Divergence | undefined;

  constructor({ voterCount = 3, log = [], term = 0, vote, ...options }: ServerOptions = {}) {
    const hardState = { term: Term(term), vote };
    this.disk.write({ persistId: 1, truncateFrom: undefined, entries: log, hardState });
    this.disk.flush();
    this.raft = new Raft({
      id: NodeId("1"),
      configuration: voters(voterCount),
      hardState,
      log: this.disk,
      appliedIndex: LogIndex(0),
      sealer: testSealer,
      random: () => 0.5,
      electionTicks: Ticks(10),
      heartbeatTicks: Ticks(3),
      appendSizeMax: 1 << 16,
      inflightSizeMax: 1 << 20,
      uncommittedSizeMax: 1 << 20,
      applySizeMax: 1 << 20,
      cacheSizeMax: 1 << 20,
      configurationIndex: LogIndex(0),
      incarnation: "",
      snapshots: noSnapshots,
      snapshotChunkSizeMax: 4,
      leaseMs: 0,
      ...options,
    });
    this.drain();
  }

  get status(): RaftStatus {
    return this.raft.status();
  }

  /** What was sent since the last look. */
  take(): Envelope[] {
    return this.sent.splice(0);
  }

  /** Of one kind, since the last look. */
  takeKind<K extends Message["kind"]>(kind: K): Extract<Message, { kind: K }>[] {
    return this.take()
      .map(({ message }) => message)
      .filter((message): message is Extract<Message, { kind: K }> => message.kind === kind);
  }

  tick(count = 1): void {
    for (let i = 0; i < count; i += 1) {
      this.raft.tick();
      this.drain();
    }
  }

  step(...messages: readonly Message[]): void {
    for (const message of messages) {
      this.raft.step(message);
      this.drain();
    }
  }

  propose(payload = "x"): ProposeResult {
    const result = this.raft.propose((position) => sealCommands(position, payload));
    this.drain();
    return result;
  }

  read(context: number): void {
    this.raft.requestRead(context);
    this.drain();
  }

  flush(): void {
    while (this.disk.pendingCount > 0) {
      this.raft.persisted(this.disk.flush());
      this.drain();
    }
  }

  /** Ticks until it campaigns, and lets the given peers grant both rounds. */
  elect(...peers: readonly string[]): void {
    while (this.status.role === "follower") this.tick();
    const term = Term(
      this.status.role === "pre-candidate" ? this.status.term + 1 : this.status.term,
    );
    for (const kind of ["preVoteResult", "requestVoteResult"] as const) {
      for (const peer of peers) this.step({ kind, from: NodeId(peer), term, granted: true });
    }
  }

  /** A follower's word that it has flushed all up to `matchIndex`. */
  acknowledge(peer: string, matchIndex: number): void {
    this.step({
      kind: "appendEntriesResult",
      from: NodeId(peer),
      term: this.status.term,
      prevLogIndex: LogIndex(0),
      success: true,
      matchIndex: LogIndex(matchIndex),
      hintIndex: LogIndex(0),
      hintTerm: Term(0),
    });
  }

  logTerms(): string {
    return this.disk.entries.map((entry) => entry.term).join(" ");
  }

  drain(): void {
    while (this.raft.hasReady()) {
      const ready = this.raft.ready();
      this.disk.write(ready);
      this.sent.push(...ready.messages);
      this.roleChanges.push(...ready.roleChanges);
      this.reads.push(...ready.reads);
      this.refusedReads.push(...ready.refusedReads);
      this.divergence ??= ready.divergence;
      for (const entry of ready.committed) this.applied.push(payloadOf(entry));
      const last = ready.committed.at(-1);
      if (last !== undefined) this.raft.applied(last.index);
      if (!this.disk.isStalled)
        while (this.disk.pendingCount > 0) this.raft.persisted(this.disk.flush());
    }
  }
}

export interface AppendOptions {
  readonly from?: string;
  readonly term: number;
  /** the leader's whole log, of which `prev` and `count` are cut out */
  readonly log: readonly Entry[];
  readonly prev?: number;
  readonly count?: number;
  readonly commit?: number;
}

/** An AppendEntries from a leader with the given log. */
export function append(options: AppendOptions): Extract<Message, { kind: "appendEntries" }> {
  const { from = "2", term, log, prev = 0, count = log.length - prev, commit = 0 } = options;
  const previous = log[prev - 1];
  return {
    kind: "appendEntries",
    from: NodeId(from),
    term: Term(term),
    prevLogIndex: LogIndex(prev),
    prevLogTerm: previous?.term ?? Term(0),
    prevLogChecksum: previous?.checksum ?? 0,
    leaderCommit: LogIndex(commit),
    entries: log.slice(prev, prev + count),
  };
}

/** A Heartbeat. */
export function heartbeat(
  term: number,
  commit = 0,
  from = "2",
): Extract<Message, { kind: "heartbeat" }> {
  const commitIndex = LogIndex(commit);
  return { kind: "heartbeat", from: NodeId(from), term: Term(term), commitIndex, readRound: 0 };
}

/** A RequestVote for a log that ends as given. */
export function requestVote(
  from: string,
  term: number,
  lastLogIndex = 0,
  lastLogTerm = 0,
): Extract<Message, { kind: "requestVote" }> {
  return {
    kind: "requestVote",
    from: NodeId(from),
    term: Term(term),
    lastLogIndex: LogIndex(lastLogIndex),
    lastLogTerm: Term(lastLogTerm),
    disruptLeader: false,
  };
}

/** Server 1 leading its first term, by the votes of 2 and 3. */
export function leader(options: ServerOptions = {}): Server {
  const server = new Server(options);
  server.elect("2", "3");
  assert.equal(server.status.role, "leader");
  server.take();
  return server;
}

/** A leader whose followers have acknowledged its no-op. */
export function settledLeader(options: ServerOptions = {}): Server {
  const server = leader(options);
  server.acknowledge("2", 1);
  server.acknowledge("3", 1);
  server.take();
  return server;
}

/** Has the given peers answer the heartbeats sent since the last look. */
export function answerHeartbeats(server: Server, ...peers: readonly string[]): void {
  const sent = server.take();
  for (const { to, message } of sent) {
    if (message.kind !== "heartbeat" || !peers.includes(to)) continue;
    const none = LogIndex(0);
    server.step({
      kind: "heartbeatResult",
      from: to,
      term: message.term,
      readRound: message.readRound,
      lastIndex: LogIndex(7),
      commitIndex: LogIndex(6),
      appliedIndex: none,
    });
  }
}

/** Has a peer echo many heartbeats at once, as under many reads. */
export function echoOften(server: Server, peer: string, count: number): void {
  const none = LogIndex(0);
  for (let i = 0; i < count; i += 1) {
    server.step({
      kind: "heartbeatResult",
      ...{ from: NodeId(peer), term: server.status.term, readRound: 0 },
      ...{ lastIndex: none, commitIndex: none, appliedIndex: none },
    });
  }
}
