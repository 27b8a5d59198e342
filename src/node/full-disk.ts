/**
 * A disk without room, or a process without descriptors, as the driver lives with it.
 *
 * What is in the log already stays there: the core hands it out again (Raft.notWritten),
 * it is tried every quarter of a second, and the others may commit it meanwhile. What
 * comes new is proven to be in no log, and is refused. A leader first lets it wait a
 * little: should the others have room, one of them leads then (raft/heartbeat.ts).
 */
import { DatabaseError } from "../errors.js";

/** Between two attempts. Milliseconds. */
const RETRY_MS = 250;

export class FullDisk {
  readonly #nodeId: string;
  #shortage: DatabaseError | undefined;
  #since = 0;
  #retryAt = 0;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** Whether something waits for room. */
  get isFull(): boolean {
    return this.#shortage !== undefined;
  }

  /** @returns whether it has just begun */
  onShortage(shortage: DatabaseError, now: number): boolean {
    const isNew = this.#shortage === undefined;
    if (isNew) this.#since = now;
    this.#shortage = shortage;
    this.#retryAt = now + RETRY_MS;
    return isNew;
  }

  /** Nothing waits any more. */
  onRoom(): void {
    this.#shortage = undefined;
  }

  /** Whether another attempt is due. */
  isRetryDue(now: number): boolean {
    return this.#shortage !== undefined && now >= this.#retryAt;
  }

  /** Why no write is taken; undefined before it has been full for `graceMs`. */
  refusal(now: number, graceMs: number): DatabaseError | undefined {
    const shortage = this.#shortage;
    if (shortage === undefined || now < this.#since + graceMs) return undefined;
    return new DatabaseError(
      shortage.code,
      `nothing was applied; node ${this.#nodeId} takes writes again when it has room: ${shortage.message}`,
      { cause: shortage },
    );
  }
}
