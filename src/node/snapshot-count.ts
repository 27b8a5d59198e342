/**
 * When a snapshot is due: after so many commands or bytes of blocks, counted along
 * the log.
 *
 * Where nobody has said how many, a large state asks for more (Raft §7: a log that
 * may be as long as the snapshot that replaces it costs little): as many as the last
 * snapshot has rows, or as many bytes. Otherwise one of ten million keys would be
 * written after every 500,000 commands, twenty rows for each of them. It is the last
 * one that counts and not the state as it is, which grows while keys are added: the
 * log would be three times the snapshot before another one is taken.
 *
 * All of it depends on the log alone: replicas count alike.
 */
import type { Extent } from "../store/store.js";

export interface SnapshotRule {
  /** commands applied between two snapshots */
  readonly entriesMax: number;
  /** bytes of blocks applied between two snapshots */
  readonly bytesMax: number;
  /** of the last snapshot's rows or bytes, so much is to have been applied too; 0: whatever they are */
  readonly statePart: number;
}

export class SnapshotCount {
  readonly #rule: SnapshotRule;
  #commandCount = 0;
  #size = 0;
  /** of the last snapshot */
  #last: Extent;

  /** @param last of the snapshot that the state is of */
  constructor(rule: SnapshotRule, last: Extent) {
    this.#rule = rule;
    this.#last = last;
  }

  /** Counts what was applied. @param extent of the state with it */
  add(commandCount: number, size: number, extent: () => Extent): "due" | "early" {
    this.#commandCount += commandCount;
    this.#size += size;
    const { entriesMax, bytesMax, statePart } = this.#rule;
    if (this.#commandCount < entriesMax && this.#size < bytesMax) return "early";
    const { rowCount, size: lastSize } = this.#last;
    const isWorthIt =
      this.#commandCount >= statePart * rowCount || this.#size >= statePart * lastSize;
    if (!isWorthIt) return "early";
    this.restart(extent());
    return "due";
  }

  /** The state is that of a snapshot of this extent. */
  restart(last: Extent): void {
    this.#commandCount = 0;
    this.#size = 0;
    this.#last = last;
  }
}
