/**
 * Requests on their way on one connection: when each should have begun, and what
 * it is. Numbered from 0 as they are sent; a ring of typed arrays that doubles
 * when the oldest one unanswered is too far behind. Nothing is made for a request.
 */
const CAPACITY_MIN = 64;

/** `Step`: what a request may be, as a small number. */
export class InFlight<Step extends number> {
  #began = new Float64Array(CAPACITY_MIN);
  #operations = new Uint8Array(CAPACITY_MIN);
  #keys = new Int32Array(CAPACITY_MIN);
  #answered = new Uint8Array(CAPACITY_MIN);
  #oldest = 0;
  #next = 0;
  #count = 0;

  /** requests that are not answered */
  get count(): number {
    return this.#count;
  }

  /** The number of the oldest request without an answer; the next one's when there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** @returns the request's number */
  add(beganMs: number, operation: Step, key: number): number {
    if (this.#next - this.#oldest === this.#began.length) this.#grow();
    const number = this.#next;
    const at = number & (this.#began.length - 1);
    this.#began[at] = beganMs;
    this.#operations[at] = operation;
    this.#keys[at] = key;
    this.#answered[at] = 0;
    this.#next += 1;
    this.#count += 1;
    return number;
  }

  /** Whether this request is on its way: an answer to anything else is a mistake. */
  has(number: number): boolean {
    if (number < this.#oldest || number >= this.#next) return false;
    return this.#answered[number & (this.#began.length - 1)] === 0;
  }

  beganMs(number: number): number {
    return this.#began[number & (this.#began.length - 1)] ?? 0;
  }

  operation(number: number): Step {
    return (this.#operations[number & (this.#began.length - 1)] ?? 0) as Step;
  }

  key(number: number): number {
    return this.#keys[number & (this.#began.length - 1)] ?? 0;
  }

  remove(number: number): void {
    const mask = this.#began.length - 1;
    this.#answered[number & mask] = 1;
    this.#count -= 1;
    while (this.#oldest < this.#next && this.#answered[this.#oldest & mask] === 1) {
      this.#oldest += 1;
    }
  }

  /** The requests that are still on their way. */
  *numbers(): Generator<number> {
    for (let number = this.#oldest; number < this.#next; number += 1) {
      if (this.has(number)) yield number;
    }
  }

  #grow(): void {
    const size = this.#began.length;
    const began = new Float64Array(2 * size);
    const operations = new Uint8Array(2 * size);
    const keys = new Int32Array(2 * size);
    const answered = new Uint8Array(2 * size);
    for (let number = this.#oldest; number < this.#next; number += 1) {
      const from = number & (size - 1);
      const to = number & (2 * size - 1);
      began[to] = this.#began[from] ?? 0;
      operations[to] = this.#operations[from] ?? 0;
      keys[to] = this.#keys[from] ?? 0;
      answered[to] = this.#answered[from] ?? 0;
    }
    this.#began = began;
    this.#operations = operations;
    this.#keys = keys;
    this.#answered = answered;
  }
}
