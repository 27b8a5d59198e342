/** All that the fold keeps, as one thing: a restored state replaces it at once. */
import { LogClock } from "./log-clock.js";
import { VersionedMap } from "./versioned-map.js";

export class State {
  readonly clock = new LogClock();
  readonly map = new VersionedMap();
}
