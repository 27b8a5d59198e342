/** All that the fold keeps, as one thing: a restored state replaces it at once. */
import { Leases } from "./lease.js";
import { LogClock } from "./log-clock.js";
import { Outcomes } from "./outcome.js";
import { Sessions } from "./session.js";
import { Transactions } from "./transaction.js";
import { VersionedMap } from "./versioned-map.js";

export class State {
  readonly clock = new LogClock();
  readonly leases = new Leases();
  readonly map = new VersionedMap(this.leases);
  readonly sessions = new Sessions();
  readonly transactions = new Transactions();
  readonly outcomes = new Outcomes();
}
