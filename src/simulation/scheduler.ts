/**
 * Simulated time: tasks ordered by time, then by the order of their scheduling.
 * Nothing happens but by it. What is later waits in a heap; what is to be done at
 * once, nearly half of it all, comes in its order already and waits in a line.
 */
import { assert } from "../assert.js";

interface Task {
  readonly time: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class Scheduler {
  #now = 0;
  #sequence = 0;
  readonly #heap: Task[] = [];
  /** in order; those before `#lineStart` are done */
  readonly #line: Task[] = [];
  #lineStart = 0;

  /** Milliseconds since the world began; fractions count. */
  get now(): number {
    return this.#now;
  }

  /** tasks run so far and waiting */
  get scheduledCount(): number {
    return this.#sequence;
  }

  /** Runs `run` after `delayMs` (>= 0) of simulated time. */
  after(delayMs: number, run: () => void): void {
    assert(delayMs >= 0, "time goes forward");
    this.#sequence += 1;
    const task = { time: this.#now + delayMs, sequence: this.#sequence, run };
    if (delayMs === 0) this.#line.push(task);
    else this.#push(task);
  }

  /** Runs the next task; @returns whether there was one not later than `until`. */
  step(until: number): boolean {
    const first = this.#line[this.#lineStart];
    const top = this.#heap[0];
    const next = first !== undefined && (top === undefined || isBefore(first, top)) ? first : top;
    if (next === undefined || next.time > until) {
      this.#now = Math.max(this.#now, until);
      return false;
    }
    if (next === first) this.#shift();
    else this.#pop();
    this.#now = next.time;
    next.run();
    return true;
  }

  #shift(): void {
    this.#lineStart += 1;
    if (this.#lineStart < this.#line.length) return;
    this.#line.length = 0;
    this.#lineStart = 0;
  }

  /** Whoever is later than the task moves down, and leaves its place to it. */
  #push(task: Task): void {
    const heap = this.#heap;
    heap.push(task);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const other = at(heap, parent);
      if (!isBefore(task, other)) break;
      heap[child] = other;
      child = parent;
    }
    heap[child] = task;
  }

  /** Whoever is before the last task moves up, and leaves its place to it. */
  #pop(): void {
    const heap = this.#heap;
    const task = heap.pop();
    assert(task !== undefined, "the heap is not empty");
    const { length } = heap;
    if (length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= length) break;
      let least = at(heap, child);
      const right = child + 1 < length ? at(heap, child + 1) : least;
      if (isBefore(right, least)) {
        child += 1;
        least = right;
      }
      if (!isBefore(least, task)) break;
      heap[parent] = least;
      parent = child;
    }
    heap[parent] = task;
  }
}

function at(heap: readonly Task[], index: number): Task {
  const task = heap[index];
  assert(task !== undefined, "the index is within the heap");
  return task;
}

function isBefore(a: Task, b: Task): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}
