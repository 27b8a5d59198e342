/**
 * The store as one would explain it: a sorted array of records, a whole copy made
 * before each request and put back when the request is refused. Slow and plain,
 * to be compared with the real one.
 */
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import type {
  Command,
  CommandResult,
  KeyValue,
  Limits,
  RejectReason,
  Request,
  RequestResult,
} from "../../src/store/command.js";

class Refused extends Error {
  readonly reason: RejectReason;
  readonly current: KeyValue | undefined;
  constructor(reason: RejectReason, current: KeyValue | undefined) {
    super(reason);
    this.reason = reason;
    this.current = current;
  }
}

export class ReferenceStore {
  readonly #limits: Limits;
  records: KeyValue[] = [];
  revision = 1;

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  apply(request: Request): RequestResult {
    const before = [...this.records];
    let commandIndex = 0;
    try {
      for (const command of request.commands) {
        this.#checkCondition(command);
        commandIndex++;
      }
      commandIndex = 0;
      const results: CommandResult[] = [];
      let changed = false;
      for (const command of request.commands) {
        const result = this.#run(command);
        changed = changed || result.deletedCount > 0 || result.current !== undefined;
        results.push(result);
        commandIndex++;
      }
      if (changed) this.revision++;
      return { kind: "applied", revision: this.revision, results };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.records = before;
      const { reason, current } = error;
      return { kind: "rejected", reason, commandIndex, revision: this.revision, current };
    }
  }

  get(key: Uint8Array): KeyValue | undefined {
    return this.records.find((record) => Buffer.compare(record.key, key) === 0);
  }

  range(from: Uint8Array, end: Uint8Array): KeyValue[] {
    return this.records.filter(
      ({ key }) =>
        Buffer.compare(key, from) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0),
    );
  }

  #checkCondition(command: Command): void {
    if (command.kind !== "put" || command.condition === "none") return;
    const current = this.get(command.key);
    const holds = command.condition === "absent" ? current === undefined : current !== undefined;
    if (!holds) throw new Refused("condition-failed", current);
  }

  #run(command: Command): CommandResult {
    const previous = command.kind === "deleteRange" ? undefined : this.get(command.key);
    switch (command.kind) {
      case "put":
        return this.#put(command.key, command.value, previous);
      case "append": {
        const value = Buffer.concat([previous?.value ?? Buffer.alloc(0), command.value]);
        if (value.length > this.#limits.valueSizeMax) {
          throw new Refused("value-too-large", previous);
        }
        return this.#put(command.key, value, previous);
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
        return this.#put(command.key, Buffer.from(sum.toString()), previous);
      }
      case "delete":
        this.records = this.records.filter((record) => record !== previous);
        return { previous, current: undefined, deletedCount: previous === undefined ? 0 : 1 };
      case "deleteRange": {
        const doomed = new Set(this.range(command.key, command.end));
        this.records = this.records.filter((record) => !doomed.has(record));
        return { previous: undefined, current: undefined, deletedCount: doomed.size };
      }
    }
  }

  #put(key: Uint8Array, value: Uint8Array, previous: KeyValue | undefined): CommandResult {
    const current: KeyValue = {
      key: new Uint8Array(key),
      value: new Uint8Array(value),
      createRevision: previous?.createRevision ?? this.revision + 1,
      modRevision: this.revision + 1,
      version: (previous?.version ?? 0) + 1,
    };
    this.records = [...this.records.filter((record) => record !== previous), current].sort((a, b) =>
      Buffer.compare(a.key, b.key),
    );
    return { previous, current, deletedCount: 0 };
  }
}
