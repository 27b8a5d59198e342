/**
 * The replicated state machine: a versioned map of bytes with what belongs to it,
 * and the fold over the log that makes it.
 *
 * Revisions are etcd's. The store's revision is 1 when empty; a request that
 * changes something raises it by exactly 1, whatever it changes, and all keys it
 * changes share that modRevision; a request that changes nothing (a deletion of
 * absent keys, a rejection) leaves it. A put is a change even when the value is
 * the same. A key that was deleted and comes back starts a new life:
 * createRevision anew, version 1.
 *
 * A request is atomic. It is judged on the state before it, in this order: its
 * session (session.ts), what it has read, its compares, the conditions of its puts
 * (compare.ts); then its commands run in order, each seeing the ones before it.
 * What a later command refuses is undone, unless the request's mode is "each".
 *
 * Pure: the only inputs are the requests and the stamps of their blocks
 * (log-clock.ts). The limits given here bound what Append may grow to, which makes
 * them part of the fold: they must be the same on every node and for the whole
 * life of a log (law 1). The history policy is not part of it: it only makes
 * `dueRequest`, whose answer a leader puts into the log.
 *
 * What is here:
 *
 *   apply                            the fold
 *   get, range, remainingOf          the present
 *   at, rangeAt, revisionAt          the past, at a revision (read.ts)
 *   history, changesSince            what changed: of a key, of everything
 *   lease, leases, session           leases and sessions
 *   transaction, transactions, getIn, rangeIn     transactions and what they see
 *   outcome                          what became of a request, by its id
 *   dueRequest, nextDueTime, mayBeDue    what the leader has to propose (due.ts)
 *   openView, beginRestore, stateHash             the whole state, as rows
 *
 * Reads at a revision throw REVISION_COMPACTED or REVISION_FUTURE.
 */
import { assert } from "../assert.js";
import {
  type Command,
  type CommandResult,
  DEFAULT_LIMITS,
  isKeyCommand,
  type KeyValue,
  type LeaseDetail,
  type Limits,
  type Request,
  type RequestResult,
  type ResultDetail,
  type TransactionDetail,
} from "./command.js";
import { conditionHolds, conflictsOf, failedCompare, failedCondition } from "./compare.js";
import { leaseDetail, rejected, runControlCommand } from "./control.js";
import {
  DEFAULT_HISTORY_POLICY,
  dueRequest,
  type HistoryPolicy,
  mayBeDue,
  nextDueTime,
} from "./due.js";
import { runKeyCommand, type Wanted } from "./key-commands.js";
import type { Lookups } from "./lookups.js";
import { textBytes } from "./key-order.js";
import type { RequestOutcome } from "./outcome.js";
import {
  type ChangesPage,
  changesSince,
  eachChangedKey,
  checkRevision,
  type HistoryOptions,
  historyOf,
  type HistoryPage,
  pageOf,
  type PageLimits,
  type RangePage,
  revisionAt,
} from "./read.js";
import { isFull, keepAnswer } from "./session.js";
import { StateHash } from "./state-hash.js";
import { FreshStateRestore, type RestoreWay, type StateRestore } from "./state-restore.js";
import { eachRowOf, LiveStateView, type StateView } from "./state-view.js";
import { State } from "./state.js";
import { getIn, rangeIn } from "./staged-view.js";
import { transactionDetail } from "./transaction.js";

export type { RangePage } from "./read.js";

export class Store {
  readonly #limits: Limits;
  readonly #historyPolicy: HistoryPolicy;
  #state = new State();
  #viewOpen = false;

  /** @param limits what bounds an append: a part of the fold (law 1), so that only tests have others than the default */
  constructor(
    limits: Limits = DEFAULT_LIMITS,
    historyPolicy: HistoryPolicy = DEFAULT_HISTORY_POLICY,
  ) {
    this.#limits = limits;
    this.#historyPolicy = historyPolicy;
  }

  /** etcd's store revision: 1 when empty. */
  get revision(): number {
    return this.#state.map.revision;
  }

  /** The oldest revision that can be read; 0 when nothing was compacted. */
  get compactedRevision(): number {
    return this.#state.map.compactedRevision;
  }

  /** keys */
  get size(): number {
    return this.#state.map.size;
  }

  /** Whether it holds so much that only what makes room should be asked of it. */
  get isNearlyFull(): boolean {
    return this.#state.map.records.arena.isNearlyFull;
  }

  /** Milliseconds since 1970: the greatest time a leader put into the log. */
  get logTime(): number {
    return this.#state.clock.logTime;
  }

  /** Changes that are kept, and their bytes, about. */
  get historySize(): { readonly changeCount: number; readonly size: number } {
    const { count, size } = this.#state.map.history;
    return { changeCount: count, size };
  }

  /** How large a snapshot is, about; the same on every node at the same entry. */
  get extent(): Extent {
    const { map } = this.#state;
    return { rowCount: map.size + map.history.count, size: map.liveSize + map.history.size };
  }

  // ---- the fold ------------------------------------------------------------

  /**
   * Folds one request. Total: an invalid one yields a rejection value, never a throw. Deterministic.
   *
   * @param time the leader's clock as stamped in the request's block, milliseconds since 1970;
   *   without it no time has passed
   * @param wanted "nothing": what was applied gives no results, only its revision
   */
  apply(
    request: Request,
    time: number = this.#state.clock.stamp,
    wanted: Wanted = "result",
  ): RequestResult {
    const { clock, outcomes } = this.#state;
    const { id } = request;
    clock.advance(time);
    const result =
      request.session === undefined ? this.#run(request, wanted) : this.#runOnce(request);
    if (id.length > 0) {
      outcomes.note(id, 0, id.length, result.kind === "applied" ? result.revision : 0);
    }
    return result;
  }

  /**
   * Folds the commonest request: one put, without condition, expiry, session, compares and reads; the
   * same as `apply` of it. The key, the value and the request's id, which may be empty, are read from
   * `bytes`. Nothing is allocated but what the table keeps.
   *
   * @returns the revision
   */
  applyPut(
    bytes: Uint8Array,
    keyStart: number,
    keySize: number,
    valueStart: number,
    valueSize: number,
    idStart: number,
    idSize: number,
    time: number,
  ): number {
    const { clock, map, outcomes } = this.#state;
    clock.advance(time);
    const { logTime } = clock;
    const revision = map.putAlone(bytes, keyStart, keySize, valueStart, valueSize, logTime);
    if (idSize > 0) outcomes.note(bytes, idStart, idSize, revision);
    return revision;
  }

  #runOnce(request: Request): RequestResult {
    const { sessions, clock } = this.#state;
    const mark = request.session;
    assert(mark !== undefined, "a request that runs once has a session");
    const received = sessions.receive(mark, clock.runTime);
    if (typeof received === "string") return rejected(this.#state, received);
    if ("kind" in received) return received;
    // Its answer is kept, whoever waits for it here.
    const answer = isFull(received)
      ? rejected(this.#state, "session-window")
      : this.#run(request, "result");
    keepAnswer(received, mark.sequence, answer);
    return answer;
  }

  #run(request: Request, wanted: Wanted): RequestResult {
    const { commands, reads, compares, mode } = request;
    if (reads !== undefined) {
      const conflicts = conflictsOf(this.#state.map, reads);
      if (conflicts === "too-old") return rejected(this.#state, "transaction-too-old");
      if (conflicts.length > 0) return { conflicts, ...rejected(this.#state, "conflict") };
    }
    if (compares === undefined) return this.#runAll(commands, mode, wanted);
    const failed = failedCompare(this.#state.map, compares);
    if (failed < 0) return withBranch(this.#runAll(commands, mode, wanted), true);
    if (request.otherwise !== undefined) {
      return withBranch(this.#runAll(request.otherwise, mode, wanted), false);
    }
    const current = this.#currentOf(compares[failed]?.key);
    return rejected(this.#state, "condition-failed", failed, current);
  }

  #runAll(
    commands: readonly Command[],
    mode: Request["mode"] | undefined,
    wanted: Wanted,
  ): RequestResult {
    const { map } = this.#state;
    if (mode === undefined) {
      const failed = failedCondition(map, commands);
      if (failed >= 0) {
        const current = this.#currentOf(keyOf(commands[failed]));
        return rejected(this.#state, "condition-failed", failed, current);
      }
    }
    const first = commands[0];
    if (commands.length === 1 && first !== undefined && !isKeyCommand(first)) {
      return runControlCommand(this.#state, this.#limits, first);
    }
    map.begin(this.logTime);
    const results: CommandResult[] = [];
    for (const [commandIndex, command] of commands.entries()) {
      const result = this.#runOne(command, mode, wanted);
      if ("refused" in result) {
        map.takeBack();
        const { refused: reason, current } = result;
        return { kind: "rejected", reason, commandIndex, revision: map.revision, current };
      }
      if (wanted === "result") results.push(result);
    }
    map.end();
    return { kind: "applied", revision: map.revision, results };
  }

  #runOne(
    command: Command,
    mode: Request["mode"] | undefined,
    wanted: Wanted,
  ): ReturnType<typeof runKeyCommand> {
    if (!isKeyCommand(command)) return { refused: "invalid", current: undefined };
    if (mode === undefined) return runKeyCommand(this.#state, this.#limits, command, wanted);
    const held =
      command.kind !== "put" || conditionHolds(this.#state.map, command.key, command.condition);
    const result = held
      ? runKeyCommand(this.#state, this.#limits, command, wanted)
      : { refused: "condition-failed" as const, current: this.get(command.key) };
    if (!("refused" in result)) return result;
    const detail: ResultDetail = { kind: "refused", reason: result.refused };
    return { previous: result.current, current: undefined, deletedCount: 0, detail };
  }

  #currentOf(key: Uint8Array | undefined): KeyValue | undefined {
    return key === undefined ? undefined : this.get(key);
  }

  // ---- the present ---------------------------------------------------------

  get(key: Uint8Array): KeyValue | undefined {
    return this.#state.map.get(key);
  }

  /** The place of a key's current record, or -1 when it is absent; until the store next changes. */
  find(bytes: Uint8Array, keyStart: number, keySize: number): number {
    return this.#state.map.find(bytes, keyStart, keySize) || -1;
  }

  /** The same of several keys, sooner than one after another. */
  findAll(lookups: Lookups): void {
    lookups.find(this.#state.map.keys, this.#state.map.records);
  }

  /** Bytes of the value at a place that `find` gave. */
  valueSizeAt(place: number): number {
    return this.#state.map.records.valueSizeOf(place);
  }

  /** Copies the value at a place that `find` gave into `target`, from `at` on. */
  copyValueAt(place: number, target: Uint8Array, at: number): void {
    this.#state.map.records.copyValue(place, target, at);
  }

  /** Keys in [from, end), byte order, at most `countMax` keys and about `sizeMax` bytes (at least one key). */
  range(from: Uint8Array, end: Uint8Array, countMax: number, sizeMax: number): RangePage {
    return pageOf(this.#state.map.range(from, end), { countMax, sizeMax });
  }

  /**
   * Milliseconds until a key ends by itself, at least 0; undefined when it is absent or does not.
   * @param now this node's clock, milliseconds since 1970
   */
  remainingOf(key: Uint8Array, now: number): number | undefined {
    const { map, leases, clock } = this.#state;
    const record = map.findKey(key);
    const lease = record === 0 ? undefined : leases.get(map.records.leaseOf(record));
    return lease && Math.max(lease.deadline - clock.runTimeAt(now), 0);
  }

  // ---- the past ------------------------------------------------------------

  /** A key as it was at `revision`. */
  at(key: Uint8Array, revision: number): KeyValue | undefined {
    checkRevision(this.#state.map, revision);
    return this.#state.map.at(key, revision);
  }

  /** As `range`, at `revision`. */
  rangeAt(from: Uint8Array, end: Uint8Array, revision: number, limits: PageLimits): RangePage {
    const { map } = this.#state;
    checkRevision(map, revision);
    return pageOf(map.rangeAt(from, end, revision), limits);
  }

  /** The newest revision at `time`, milliseconds since 1970 by the log. @throws {DatabaseError} REVISION_COMPACTED */
  revisionAt(time: number): number {
    return revisionAt(this.#state.map, time);
  }

  /** A key's changes that are kept. */
  history(key: Uint8Array, options: HistoryOptions): HistoryPage {
    return historyOf(this.#state.map, key, options);
  }

  /** What changed at `from` and after it, whole revisions; `from` is beyond the compacted one, at most the next. */
  changesSince(from: number, limits: PageLimits): ChangesPage {
    return changesSince(this.#state.map, from, limits);
  }

  /** The keys of what changed at `from` and after it, oldest first, each good for its call alone; false ends it. */
  eachChangedKey(from: number, look: (key: Uint8Array, revision: number) => boolean): void {
    eachChangedKey(this.#state.map, from, look);
  }

  // ---- leases, sessions, transactions, requests ------------------------------

  /** @param now this node's clock, milliseconds since 1970 */
  lease(id: number, now: number): LeaseInfo | undefined {
    const { leases, clock } = this.#state;
    const lease = leases.get(id);
    if (lease === undefined) return undefined;
    const remaining = Math.max(lease.deadline - clock.runTimeAt(now), 0);
    return {
      keys: [...lease.keys].sort().map(textBytes),
      ...leaseDetail(lease, remaining),
    };
  }

  /** The leases that were granted (not those of single keys), by number. */
  leases(): readonly number[] {
    return [...this.#state.leases.all()].filter(({ ofKey }) => !ofKey).map(({ id }) => id);
  }

  /** Whether a session is open. */
  hasSession(id: Uint8Array): boolean {
    return this.#state.sessions.get(id) !== undefined;
  }

  /** Open, or finished not long ago. */
  transaction(id: Uint8Array): TransactionDetail | undefined {
    const { transactions } = this.#state;
    const open = transactions.get(id);
    return open === undefined ? transactions.finished(id)?.detail : transactionDetail(open, "open");
  }

  /** The open ones, oldest first. */
  transactions(): readonly TransactionDetail[] {
    return [...this.#state.transactions.allOpen()].map((each) => transactionDetail(each, "open"));
  }

  /**
   * A key as an open transaction sees it: its own write (revisions 0), or the key at its read revision.
   * "unknown" when it is not open. @throws {DatabaseError} REVISION_COMPACTED when that is forgotten
   */
  getIn(transaction: Uint8Array, key: Uint8Array): KeyValue | undefined | "unknown" {
    const open = this.#state.transactions.get(transaction);
    return open === undefined ? "unknown" : getIn(this.#state.map, open, key);
  }

  /** As `range`, as an open transaction sees it. */
  rangeIn(
    transaction: Uint8Array,
    from: Uint8Array,
    end: Uint8Array,
    limits: PageLimits,
  ): RangePage | "unknown" {
    const open = this.#state.transactions.get(transaction);
    return open === undefined
      ? "unknown"
      : pageOf(rangeIn(this.#state.map, open, from, end), limits);
  }

  /** What became of a request; undefined when it was never applied, or so long ago that it is forgotten. */
  outcome(id: Uint8Array): RequestOutcome | undefined {
    return this.#state.outcomes.of(id);
  }

  // ---- upkeep --------------------------------------------------------------

  /**
   * What a leader has to propose at `now` (its clock, milliseconds since 1970), if anything.
   * To be asked again when its answer has been applied, not before.
   */
  dueRequest(now: number): Request | undefined {
    return dueRequest(this.#state, this.#historyPolicy, now);
  }

  /** When to ask that, by the leader's clock, if nothing is applied until then; undefined: need not. */
  get nextDueTime(): number | undefined {
    return nextDueTime(this.#state, this.#historyPolicy);
  }

  /** Whether `dueRequest` may have an answer at `now`, milliseconds since 1970 by the leader's clock. */
  mayBeDue(now: number): boolean {
    return mayBeDue(this.#state, this.#historyPolicy, now);
  }

  // ---- the whole state -----------------------------------------------------

  /** Whether a view is open. */
  get hasView(): boolean {
    return this.#viewOpen;
  }

  /** A consistent view of this moment, to be read in slices while requests go on. At most one at a time. */
  openView(): StateView {
    assert(!this.#viewOpen, "there is one view at a time");
    this.#viewOpen = true;
    return new LiveStateView(this.#state, () => {
      this.#viewOpen = false;
    });
  }

  /** Takes a whole state back; until its `finish` the present one serves. */
  beginRestore(way: RestoreWay = "in-slices"): StateRestore {
    return new FreshStateRestore(way, (state) => {
      this.#state = state;
    });
  }

  /** Hash of the whole state, history and all, as hex; equal states give equal hashes. O(n). */
  stateHash(): string {
    const hash = new StateHash();
    eachRowOf(this.#state, (row) => {
      hash.add(row);
    });
    return hash.toString();
  }
}

/** Keys and changes that are kept, and their bytes. */
export interface Extent {
  readonly rowCount: number;
  readonly size: number;
}

/** A lease, what is left of it, and its keys. */
export interface LeaseInfo extends LeaseDetail {
  readonly keys: readonly Uint8Array[];
}

function keyOf(command: Command | undefined): Uint8Array | undefined {
  return command !== undefined && isKeyCommand(command) ? command.key : undefined;
}

function withBranch(result: RequestResult, succeeded: boolean): RequestResult {
  return result.kind === "applied" ? { succeeded, ...result } : result;
}
