/**
 * Simulated time: a heap of tasks ordered by time, then by the order of their
 * scheduling. Nothing happens but by it.
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
    this.#push({ time: this.#now + delayMs, sequence: this.#sequence, run });
  }

  /** Runs the next task; @returns whether there was one not later than `until`. */
  step(until: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.time > until) {
      this.#now = Math.max(this.#now, until);
      return false;
    }
    this.#pop();
    this.#now = next.time;
    next.run();
    return true;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    heap.push(task);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(at(heap, child), at(heap, parent))) return;
      swap(heap, child, parent);
      child = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    assert(last !== undefined, "the heap is not empty");
    if (heap.length === 0) return;
    heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const least = right < heap.length && isBefore(at(heap, right), at(heap, left)) ? right : left;
      if (!isBefore(at(heap, least), at(heap, parent))) return;
      swap(heap, least, parent);
      parent = least;
    }
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

function swap(heap: Task[], i: number, j: number): void {
  const task = at(heap, i);
  heap[i] = at(heap, j);
  heap[j] = task;
}
