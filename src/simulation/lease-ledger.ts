/**
 * What the log says of leases, reckoned once more and apart from the store: when
 * each runs out by the log's own time, and which keys may end when.
 *
 *   not early    no key with a lease disappears before its lease has run out, unless
 *                somebody deletes it or revokes the lease
 *   all          what has run out is gone behind the entry that says so
 *   not late     while one leader leads that has room on its disk, that entry comes soon
 */
import type { Command, CommandResult, KeyValue } from "../store/command.js";
import type { Folded } from "./committed-log.js";

/** A step between two stamps counts for no more. Milliseconds; docs/LIBRARY.md says so. */
const STEP_MS_MAX = 10_000;
/** Of the log's time under one leader. Milliseconds. */
const LATE_MS_MAX = 1000;
/** A leader that was stopped is told from one that forgets: what is between two requests counts so much at most. */
const PAUSE_MS_MAX = 400;

interface Lease {
  readonly ttl: number;
  /** of run time */
  readonly deadline: number;
}

/** What a command may do to keys that it does not name. */
const ENDS_KEYS: ReadonlySet<Command["kind"]> = new Set([
  "delete",
  "deleteRange",
  "commit",
  "revokeLease",
  "expire",
]);

export class LeaseLedger {
  readonly #leases = new Map<number, Lease>();
  /** keys that are there and have a lease */
  readonly #keys = new Map<string, KeyValue & { readonly lease: number }>();
  readonly #mayBeLate: boolean;
  #runTime = 0;
  #stamp = 0;
  /** under whom something that has run out is there, and for how long: milliseconds of the log's time */
  #overdue: { readonly term: number; readonly lateMs: number } | undefined;
  #endedCount = 0;

  /** @param mayBeLate leaders may find no room for the entry that ends what has run out */
  constructor(mayBeLate: boolean) {
    this.#mayBeLate = mayBeLate;
  }

  /** Keys that ended by themselves. */
  get endedCount(): number {
    return this.#endedCount;
  }

  /** The next request of the log. @throws {Error} */
  note(folded: Folded): void {
    const before = this.#runTime;
    this.#advance(folded.time);
    const { request, result } = folded;
    if (result.kind === "applied") {
      request.commands.forEach((command, at) => {
        this.#noteCommand(command, result.results[at]);
      });
    }
    for (const { key, current, previous } of folded.changes) {
      if (current === undefined) this.#checkEnd(key, previous?.lease, folded);
      if (current?.lease === undefined) this.#keys.delete(key);
      else this.#keys.set(key, { ...current, lease: current.lease });
    }
    this.#checkOverdue(folded, Math.min(this.#runTime - before, PAUSE_MS_MAX));
  }

  #advance(stamp: number): void {
    if (this.#stamp !== 0) {
      this.#runTime += Math.min(Math.max(stamp - this.#stamp, 0), STEP_MS_MAX);
    }
    this.#stamp = stamp;
  }

  #noteCommand(command: Command, result: CommandResult | undefined): void {
    const { detail, current } = result ?? {};
    const start = (lease: number | undefined, ttl: number): void => {
      if (lease !== undefined) this.#leases.set(lease, { ttl, deadline: this.#runTime + ttl });
    };
    switch (command.kind) {
      case "grantLease":
        if (detail?.kind === "lease") start(detail.lease, command.ttl);
        break;
      case "keepLease":
        start(command.lease, this.#leases.get(command.lease)?.ttl ?? NaN);
        break;
      case "put":
      case "setExpiry":
        if (command.expiry?.kind === "ttl") start(current?.lease, command.expiry.ttl);
        break;
      default:
    }
  }

  #checkEnd(key: string, lease: number | undefined, { request }: Folded): void {
    const [command] = request.commands;
    if (command === undefined || !request.commands.some(({ kind }) => ENDS_KEYS.has(kind)))
      throw new Error(`lease: ${key} is gone, which nobody has deleted`);
    if (command.kind !== "expire") return;
    const deadline = lease === undefined ? undefined : this.#leases.get(lease)?.deadline;
    if (deadline === undefined || deadline > this.#runTime)
      throw new Error(
        `lease: ${key} ended at ${this.#runTime} of the log's time, and had until ${deadline ?? "never"}`,
      );
    this.#endedCount += 1;
  }

  /** @param elapsedMs since the request before */
  #checkOverdue({ request, term }: Folded, elapsedMs: number): void {
    const overdue = [...this.#keys].find(
      ([, { lease }]) => (this.#leases.get(lease)?.deadline ?? Infinity) <= this.#runTime,
    );
    if (overdue === undefined) {
      this.#overdue = undefined;
      return;
    }
    const [key] = overdue;
    if (request.commands[0]?.kind === "expire")
      throw new Error(`lease: ${key} is there behind the entry that ends what has run out`);
    const lateMs = this.#overdue?.term === term ? this.#overdue.lateMs + elapsedMs : 0;
    this.#overdue = { term, lateMs };
    if (lateMs > LATE_MS_MAX && !this.#mayBeLate)
      throw new Error(
        `lease: ${key} is there ${lateMs} ms too long under the leader of term ${term}`,
      );
  }
}
