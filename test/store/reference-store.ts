/**
 * The store as one would explain it: a sorted array of records for each revision
 * that there ever was, a whole copy made before each request and put back when the
 * request is refused. Slow and plain, to be compared with the real one.
 */
import { DEFAULT_LIMITS, isKeyCommand } from "../../src/store/command.js";
import type {
  Command,
  CommandResult,
  Compare,
  Expiry,
  KeyCommand,
  KeyValue,
  Limits,
  Read,
  RejectReason,
  Request,
  RequestResult,
  StagedCommand,
  StagedRead,
  TransactionDetail,
  TransactionStatus,
} from "../../src/store/command.js";

type Records = readonly KeyValue[];

class Refused extends Error {
  readonly reason: RejectReason;
  readonly current: KeyValue | undefined;
  constructor(reason: RejectReason, current: KeyValue | undefined) {
    super(reason);
    this.reason = reason;
    this.current = current;
  }
}

interface Transaction {
  readonly detail: TransactionDetail;
  readonly idle: number;
  deadline: number;
  commands: StagedCommand[];
  reads: StagedRead[];
  savepoints: { name: string; count: number }[];
  /** what the end of it answered */
  answer?: RequestResult;
  forgottenAt?: number;
}

interface Lease {
  readonly id: number;
  readonly ttl: number;
  readonly ofKey: boolean;
  deadline: number;
}

interface Session {
  readonly ttl: number;
  deadline: number;
  acknowledged: number;
  answers: Map<number, RequestResult>;
}

const STEP_MAX = 10_000;
const FINISHED_TTL = 600_000;

export class ReferenceStore {
  readonly #limits: Limits;
  records: Records = [];
  revision = 1;
  compacted = 0;
  /** the records of every revision */
  readonly past = new Map<number, Records>([[1, []]]);
  leases: Lease[] = [];
  #lastLease = 0;
  #keyLeases = 0;
  readonly #sessions = new Map<string, Session>();
  readonly #transactions = new Map<string, Transaction>();
  #stamp = 0;
  #logTime = 0;
  #runTime = 0;

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  apply(request: Request, time = this.#stamp): RequestResult {
    if (this.#stamp !== 0) {
      this.#runTime += Math.min(Math.max(time - this.#stamp, 0), STEP_MAX);
    }
    this.#stamp = time;
    this.#logTime = Math.max(this.#logTime, time);
    const mark = request.session;
    if (mark === undefined) return this.#run(request);
    const session = this.#sessions.get(name(mark.session));
    if (session === undefined) return this.#rejected("session-expired");
    session.deadline = this.#runTime + session.ttl;
    session.acknowledged = Math.max(session.acknowledged, mark.acknowledged);
    if (mark.sequence <= session.acknowledged) return this.#rejected("session-acknowledged");
    const answer = session.answers.get(mark.sequence) ?? this.#run(request);
    session.answers.set(mark.sequence, answer);
    return answer;
  }

  get(key: Uint8Array): KeyValue | undefined {
    return find(this.records, key);
  }

  at(revision: number): Records {
    return this.past.get(revision) ?? [];
  }

  range(from: Uint8Array, end: Uint8Array, records = this.records): KeyValue[] {
    return records.filter(({ key }) => inRange(key, from, end));
  }

  #rejected(reason: RejectReason, commandIndex = 0, current?: KeyValue): RequestResult {
    return { kind: "rejected", reason, commandIndex, revision: this.revision, current };
  }

  #run(request: Request): RequestResult {
    const changed = (request.reads ?? []).flatMap((read) => this.#changed(read));
    const tooOld = (request.reads ?? []).some(
      (read) => read.kind === "range" && read.revision < this.compacted,
    );
    if (changed.length > 0 || tooOld) {
      // The real one stops at what it meets first; which of both that is, is its own.
      return this.#rejected(tooOld ? "transaction-too-old" : "conflict");
    }
    const { compares } = request;
    if (compares === undefined) return this.#runAll(request.commands, request);
    const failed = compares.findIndex((compare) => !this.#holds(compare));
    const commands = failed < 0 ? request.commands : request.otherwise;
    if (commands === undefined) {
      const key = compares[failed]?.key ?? new Uint8Array(0);
      return this.#rejected("condition-failed", failed, this.get(key));
    }
    const result = this.#runAll(commands, request);
    return result.kind === "applied" ? { ...result, succeeded: failed < 0 } : result;
  }

  #changed(read: Read): Uint8Array[] {
    if (read.kind === "key") {
      return (this.get(read.key)?.modRevision ?? 0) === read.revision ? [] : [read.key];
    }
    return this.#changedAfter(read.revision, (key) => inRange(key, read.key, read.end));
  }

  /** Keys whose record at some revision after `after` is not the one before it. */
  #changedAfter(after: number, watched: (key: Uint8Array) => boolean): Uint8Array[] {
    const changed = new Map<string, Uint8Array>();
    for (let revision = after + 1; revision <= this.revision; revision++) {
      const [before, now] = [this.at(revision - 1), this.at(revision)];
      for (const { key } of [...before, ...now]) {
        if (watched(key) && find(before, key) !== find(now, key)) changed.set(name(key), key);
      }
    }
    return [...changed.values()];
  }

  #holds(compare: Compare): boolean {
    const record = this.get(compare.key);
    if (compare.target === "value" && record === undefined) return false;
    const difference =
      compare.target === "value"
        ? Buffer.compare(record?.value ?? Buffer.alloc(0), compare.value)
        : (record?.[compare.target] ?? 0) - compare.number;
    const relations = { "=": difference === 0, "!=": difference !== 0, "<": difference < 0 };
    return compare.relation === ">" ? difference > 0 : relations[compare.relation];
  }

  #runAll(commands: readonly Command[], { mode }: Request): RequestResult {
    const first = commands[0];
    if (first !== undefined && !isKeyCommand(first)) return this.#control(first);
    return this.#atomically(commands as readonly KeyCommand[], mode);
  }

  #atomically(commands: readonly KeyCommand[], mode?: "each"): RequestResult {
    const before = { records: this.records, leases: [...this.leases], keyLeases: this.#keyLeases };
    let commandIndex = 0;
    try {
      if (mode === undefined) {
        for (const command of commands) {
          this.#checkCondition(command);
          commandIndex++;
        }
      }
      commandIndex = 0;
      const results: CommandResult[] = [];
      for (const command of commands) {
        results.push(mode === undefined ? this.#runKey(command) : this.#runAlone(command));
        commandIndex++;
      }
      this.#end(results.some((result) => result.current !== undefined || result.deletedCount > 0));
      return { kind: "applied", revision: this.revision, results };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.records = before.records;
      this.leases = before.leases;
      this.#keyLeases = before.keyLeases;
      return this.#rejected(error.reason, commandIndex, error.current);
    }
  }

  #end(changed: boolean): void {
    this.leases = this.leases.filter(
      ({ id, ofKey }) => !ofKey || this.records.some(({ lease }) => lease === id),
    );
    if (!changed) return;
    this.revision++;
    this.past.set(this.revision, this.records);
  }

  #runAlone(command: KeyCommand): CommandResult {
    try {
      this.#checkCondition(command);
      return this.#runKey(command);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const detail = { kind: "refused" as const, reason: error.reason };
      return { previous: error.current, current: undefined, deletedCount: 0, detail };
    }
  }

  #checkCondition(command: KeyCommand): void {
    if (command.kind !== "put" || command.condition === "none") return;
    const current = this.get(command.key);
    const holds = command.condition === "absent" ? current === undefined : current !== undefined;
    if (!holds) throw new Refused("condition-failed", current);
  }

  #runKey(command: KeyCommand): CommandResult {
    const previous = this.get(command.key);
    const nothing = { previous: undefined, current: undefined, deletedCount: 0 };
    switch (command.kind) {
      case "put":
        return this.#put(command.key, command.value, previous, this.#lease(command, previous));
      case "append": {
        const value = Buffer.concat([previous?.value ?? Buffer.alloc(0), command.value]);
        if (value.length > this.#limits.valueSizeMax) {
          throw new Refused("value-too-large", previous);
        }
        return this.#put(command.key, value, previous, previous?.lease);
      }
      case "increment": {
        const text = previous === undefined ? "0" : Buffer.from(previous.value).toString("latin1");
        if (
          !/^(0|-?[1-9][0-9]{0,18})$/.test(text) ||
          BigInt.asIntN(64, BigInt(text)) !== BigInt(text)
        ) {
          throw new Refused("not-an-integer", previous);
        }
        const sum = BigInt(text) + command.by;
        if ([command.by, sum].some((each) => BigInt.asIntN(64, each) !== each))
          throw new Refused("overflow", previous);
        return this.#put(command.key, Buffer.from(sum.toString()), previous, previous?.lease);
      }
      case "setExpiry": {
        if (previous === undefined) return nothing;
        if (command.expiry?.kind === "until" && command.expiry.time <= this.#logTime) {
          return this.#delete(previous);
        }
        const lease = this.#lease(command, previous);
        if (lease === previous.lease) return { ...nothing, previous };
        return this.#put(command.key, previous.value, previous, lease);
      }
      case "get": {
        const lease = this.leases.find(({ id }) => id === previous?.lease);
        if (lease === undefined) return { ...nothing, previous };
        const { id, ttl } = lease;
        const remaining = Math.max(lease.deadline - this.#runTime, 0);
        return { ...nothing, previous, detail: { kind: "lease", lease: id, ttl, remaining } };
      }
      case "getRange": {
        const found = this.range(command.key, command.end);
        const keyValues = found.slice(0, command.limit);
        const more = found.length > command.limit;
        return { ...nothing, detail: { kind: "range", keyValues, more } };
      }
      case "delete":
        return this.#delete(previous);
      case "deleteRange": {
        const doomed = new Set(this.range(command.key, command.end));
        this.records = this.records.filter((record) => !doomed.has(record));
        return { ...nothing, deletedCount: doomed.size };
      }
    }
  }

  #delete(previous: KeyValue | undefined): CommandResult {
    this.records = this.records.filter((record) => record !== previous);
    return { previous, current: undefined, deletedCount: previous === undefined ? 0 : 1 };
  }

  #lease({ expiry }: { expiry?: Expiry }, previous: KeyValue | undefined): number | undefined {
    if (expiry === undefined) return undefined;
    if (expiry.kind === "keep") return previous?.lease;
    if (expiry.kind === "lease") {
      if (this.leases.some(({ id }) => id === expiry.lease)) return expiry.lease;
      throw new Refused("lease-not-found", previous);
    }
    const ttl = expiry.kind === "ttl" ? expiry.ttl : Math.max(expiry.time - this.#logTime, 0);
    return this.#grant(0, ttl, true).id;
  }

  #grant(asked: number, ttl: number, ofKey: boolean): Lease {
    let id = ofKey ? 2 ** 52 + ++this.#keyLeases : asked;
    while (id === 0) {
      this.#lastLease++;
      if (!this.leases.some((lease) => lease.id === this.#lastLease)) id = this.#lastLease;
    }
    const lease = { id, ttl, ofKey, deadline: this.#runTime + ttl };
    this.leases = [...this.leases, lease];
    return lease;
  }

  #put(
    key: Uint8Array,
    value: Uint8Array,
    previous: KeyValue | undefined,
    lease: number | undefined,
  ): CommandResult {
    const current: KeyValue = {
      key: new Uint8Array(key),
      value: new Uint8Array(value),
      createRevision: previous?.createRevision ?? this.revision + 1,
      modRevision: this.revision + 1,
      version: (previous?.version ?? 0) + 1,
      ...(lease === undefined ? {} : { lease }),
    };
    this.records = [...this.records.filter((record) => record !== previous), current].sort((a, b) =>
      Buffer.compare(a.key, b.key),
    );
    return { previous, current, deletedCount: 0 };
  }

  #applied(detail?: CommandResult["detail"], deletedCount = 0): RequestResult {
    const result = { previous: undefined, current: undefined, deletedCount };
    const results = [detail === undefined ? result : { ...result, detail }];
    return { kind: "applied", revision: this.revision, results };
  }

  #control(command: Exclude<Command, KeyCommand>): RequestResult {
    switch (command.kind) {
      case "grantLease": {
        if (this.leases.some(({ id }) => id === command.lease)) {
          return this.#rejected("lease-exists");
        }
        const { id, ttl } = this.#grant(command.lease, command.ttl, false);
        return this.#applied({ kind: "lease", lease: id, ttl, remaining: ttl });
      }
      case "keepLease":
      case "revokeLease": {
        const lease = this.leases.find(({ id }) => id === command.lease);
        if (lease === undefined) return this.#rejected("lease-not-found");
        const { id, ttl } = lease;
        if (command.kind === "keepLease") {
          lease.deadline = this.#runTime + ttl;
          return this.#applied({ kind: "lease", lease: id, ttl, remaining: ttl });
        }
        const deleted = this.#endLeases([lease]);
        return this.#applied({ kind: "lease", lease: id, ttl, remaining: 0 }, deleted);
      }
      case "openSession": {
        const session = this.#sessions.get(name(command.session));
        const ttl = session?.ttl ?? command.ttl;
        const deadline = this.#runTime + ttl;
        if (session !== undefined) session.deadline = deadline;
        else
          this.#sessions.set(name(command.session), {
            ttl,
            deadline,
            acknowledged: 0,
            answers: new Map(),
          });
        return this.#applied();
      }
      case "keepSession": {
        const session = this.#sessions.get(name(command.session));
        if (session === undefined) return this.#rejected("session-expired");
        session.deadline = this.#runTime + session.ttl;
        return this.#applied();
      }
      case "closeSession":
        this.#sessions.delete(name(command.session));
        return this.#applied();
      case "compact":
        if (command.revision <= this.compacted) return this.#rejected("revision-compacted");
        if (command.revision > this.revision) return this.#rejected("revision-future");
        this.compacted = command.revision;
        return this.#applied();
      case "expire":
        return this.#applied(undefined, this.#expire());
      default:
        return this.#transaction(command);
    }
  }

  #endLeases(ended: readonly Lease[]): number {
    const ids = new Set(ended.map(({ id }) => id));
    const doomed = this.records.filter(({ lease }) => lease !== undefined && ids.has(lease));
    this.leases = this.leases.filter(({ id }) => !ids.has(id));
    this.records = this.records.filter((record) => !doomed.includes(record));
    this.#end(doomed.length > 0);
    return doomed.length;
  }

  #expire(): number {
    const over = ({ deadline }: { deadline: number }): boolean => deadline <= this.#runTime;
    const deleted = this.#endLeases(this.leases.filter(over));
    for (const [id, session] of this.#sessions) if (over(session)) this.#sessions.delete(id);
    for (const transaction of this.#transactions.values()) {
      if (transaction.answer === undefined && over(transaction)) {
        this.#finish(transaction, "expired", this.#rejected("transaction-finished"));
      }
    }
    for (const [id, { forgottenAt }] of this.#transactions) {
      if (forgottenAt !== undefined && forgottenAt <= this.#runTime) this.#transactions.delete(id);
    }
    return deleted;
  }

  #finish(transaction: Transaction, status: TransactionStatus, answer: RequestResult): void {
    Object.assign(transaction, {
      detail: { ...transaction.detail, status },
      answer,
      forgottenAt: this.#runTime + FINISHED_TTL,
    });
  }

  #transaction(command: Extract<Command, { readonly transaction: Uint8Array }>): RequestResult {
    const id = name(command.transaction);
    const transaction = this.#transactions.get(id);
    if (transaction?.answer !== undefined) {
      const rolledBack = transaction.detail.status === "rolled-back";
      const again = command.kind === (rolledBack ? "rollback" : "commit");
      return again ? transaction.answer : this.#rejected("transaction-finished");
    }
    if (command.kind === "begin" && transaction === undefined) {
      const detail: TransactionDetail = {
        kind: "transaction",
        transaction: command.transaction,
        status: "open",
        isolation: command.isolation,
        readRevision: this.revision,
        revision: 0,
      };
      const deadline = this.#runTime + command.idle;
      const parts = { commands: [], reads: [], savepoints: [] };
      this.#transactions.set(id, { detail, idle: command.idle, deadline, ...parts });
      return this.#applied(detail);
    }
    if (transaction === undefined) return this.#rejected("transaction-unknown");
    if (command.kind !== "begin") transaction.deadline = this.#runTime + transaction.idle;
    switch (command.kind) {
      case "begin":
        break;
      case "stage":
        transaction.commands.push(...command.commands);
        transaction.reads.push(...command.reads);
        break;
      case "savepoint":
        transaction.savepoints = [
          ...transaction.savepoints.filter((each) => each.name !== name(command.name)),
          { name: name(command.name), count: transaction.commands.length },
        ];
        break;
      case "rollbackTo": {
        const at = transaction.savepoints.findIndex((each) => each.name === name(command.name));
        const savepoint = transaction.savepoints[at];
        if (savepoint === undefined) return this.#rejected("savepoint-unknown");
        transaction.commands = transaction.commands.slice(0, savepoint.count);
        transaction.savepoints = transaction.savepoints.slice(0, at + 1);
        break;
      }
      case "rollback": {
        const answer = this.#applied({ ...transaction.detail, status: "rolled-back" });
        this.#finish(transaction, "rolled-back", answer);
        return answer;
      }
      case "commit":
        return this.#commit(transaction);
    }
    return this.#applied(transaction.detail);
  }

  #commit(transaction: Transaction): RequestResult {
    const { detail, commands, reads } = transaction;
    const watched: readonly StagedRead[] = detail.isolation === "snapshot" ? commands : reads;
    if (commands.length > 0 && watched.length > 0) {
      if (detail.readRevision < this.compacted) return this.#rejected("transaction-too-old");
      const changed = this.#changedAfter(detail.readRevision, (key) =>
        watched.some(({ key: from, end }) =>
          end === undefined ? name(from) === name(key) : inRange(key, from, end),
        ),
      );
      if (changed.length > 0) {
        const answer = this.#rejected("conflict");
        this.#finish(transaction, "conflict", answer);
        return answer;
      }
    }
    const result = this.#atomically(commands);
    if (result.kind === "rejected") return this.#rejected(result.reason);
    const committed = { ...detail, status: "committed" as const, revision: this.revision };
    const answer = this.#applied(committed);
    this.#finish(transaction, "committed", answer);
    return answer;
  }
}

function name(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function find(records: Records, key: Uint8Array): KeyValue | undefined {
  return records.find((record) => Buffer.compare(record.key, key) === 0);
}

function inRange(key: Uint8Array, from: Uint8Array, end: Uint8Array): boolean {
  return Buffer.compare(key, from) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0);
}
