/**
 * When a snapshot is due: after so many commands or bytes of blocks, counted along
 * the log.
 *
 * Where nobody has said how many, a large state asks for more (Raft §7: a log that
 * may be as long as the snapshot that replaces it costs little): a part of the rows
 * or of the bytes that a snapshot of it has. Otherwise one of ten million keys would
 * be written after every 500,000 commands, twenty rows for each of them.
 *
 * All of it depends on the log alone: replicas count alike.
 */
import type { Extent } from "../store/store.js";

export interface SnapshotRule {
  /** commands applied between two snapshots */
  readonly entriesMax: number;
  /** bytes of blocks applied between two snapshots */
  readonly bytesMax: number;
  /** of the state's rows or bytes, so much is to have been applied too; 0: whatever they are */
  readonly statePart: number;
}

export class SnapshotCount {
  readonly #rule: SnapshotRule;
  #commandCount = 0;
  #size = 0;

  constructor(rule: SnapshotRule) {
    this.#rule = rule;
  }

  /** Counts what was applied. @param extent of the state with it */
  add(commandCount: number, size: number, extent: () => Extent): "due" | "early" {
    this.#commandCount += commandCount;
    this.#size += size;
    const { entriesMax, bytesMax, statePart } = this.#rule;
    if (this.#commandCount < entriesMax && this.#size < bytesMax) return "early";
    if (statePart > 0) {
      const state = extent();
      const isWorthIt =
        this.#commandCount >= statePart * state.rowCount || this.#size >= statePart * state.size;
      if (!isWorthIt) return "early";
    }
    this.restart();
    return "due";
  }

  /** The state is that of a snapshot. */
  restart(): void {
    this.#commandCount = 0;
    this.#size = 0;
  }
}
