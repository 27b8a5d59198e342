/**
 * Notices: what peers and strangers make a node say, said seldom enough that
 * nobody can fill a log from outside.
 *
 * In one interval each notice is passed on once, and no more than NOTICES_MAX
 * different ones; how many were left out is told with the next interval's first.
 */

/** Milliseconds. */
export const NOTICE_INTERVAL_MS = 10_000;
/** Different notices in one interval. */
export const NOTICES_MAX = 50;

export interface NoticesOptions {
  /** milliseconds, monotonic */
  readonly now: () => number;
  readonly onNotice: (notice: string) => void;
}

export class Notices {
  readonly #options: NoticesOptions;
  readonly #said = new Set<string>();
  #intervalStart = -Infinity;
  #leftOutCount = 0;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  add(notice: string): void {
    this.#startInterval();
    // Without ports, so that a caller that comes back is the same caller.
    const subject = notice.replaceAll(/:\d+\b/g, "");
    if (this.#said.has(subject)) return;
    if (this.#said.size >= NOTICES_MAX) {
      this.#leftOutCount += 1;
      return;
    }
    this.#said.add(subject);
    this.#options.onNotice(notice);
  }

  #startInterval(): void {
    const now = this.#options.now();
    if (now - this.#intervalStart < NOTICE_INTERVAL_MS) return;
    this.#intervalStart = now;
    this.#said.clear();
    if (this.#leftOutCount === 0) return;
    this.#options.onNotice(`${this.#leftOutCount} notices about peers were left out`);
    this.#leftOutCount = 0;
  }
}
