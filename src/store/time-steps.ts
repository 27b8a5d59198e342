/**
 * When revisions came to be. Many revisions share one stamp of the log, so that a
 * step is kept where the time changes only. Log time never steps back.
 */
export class TimeSteps {
  /** ascending; `#revisions[i]` is the first revision of `#times[i]` */
  #revisions: number[] = [];
  #times: number[] = [];
  /** the last of them */
  #last = NaN;

  /** @param revision not below any that was added */
  add(revision: number, time: number): void {
    if (time === this.#last) return;
    this.#last = time;
    this.#revisions.push(revision);
    this.#times.push(time);
  }

  /** Milliseconds since 1970 of a revision; 0 when it is older than what is kept. */
  timeOf(revision: number): number {
    return this.#times[countUpTo(this.#revisions, revision) - 1] ?? 0;
  }

  /** The first revision later than `time`; undefined when there is none. */
  firstAfter(time: number): number | undefined {
    return this.#revisions[countUpTo(this.#times, time)];
  }

  /** Times as they are known now, whatever is forgotten. @returns as `timeOf`, of revisions up to the last one */
  keep(): (revision: number) => number {
    // Forgetting makes new arrays; what is added to these is later.
    const [revisions, times] = [this.#revisions, this.#times];
    return (revision) => times[countUpTo(revisions, revision) - 1] ?? 0;
  }

  /** Forgets the steps that only revisions below `revision` need. */
  compact(revision: number): void {
    const count = countUpTo(this.#revisions, revision) - 1;
    if (count <= 0) return;
    this.#revisions = this.#revisions.slice(count);
    this.#times = this.#times.slice(count);
  }
}

/** How many of the ascending `numbers` are at most `limit`. */
function countUpTo(numbers: readonly number[], limit: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
