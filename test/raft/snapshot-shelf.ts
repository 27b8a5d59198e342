/**
 * Snapshots of one node: taken, held, sent in parts, received in parts.
 *
 * The state machine of these tests is one number folded over all entries, so that
 * a state that skipped, repeated or changed an entry is another number. A file is
 * its text; equal states have equal files. What is being taken is lost in a
 * crash; of what is being received a part may survive.
 */
import type { LogIndex } from "../../src/raft/types.js";
import type { SnapshotChunk } from "../../src/raft/ready.js";
import type { Entry, SnapshotInfo, SnapshotSource } from "../../src/raft/types.js";
import type { LogBase } from "./disk.js";

/** The state after an entry, and what a log that goes on behind it must know. */
export interface State extends LogBase {
  readonly fold: number;
}

/** One more entry folded into the state's number. */
export function foldEntry(fold: number, entry: Entry): number {
  return Math.imul(fold ^ entry.checksum ^ (entry.index * 0x9e3779b1), 0x01000193) >>> 0;
}

interface Held {
  readonly info: SnapshotInfo;
  readonly bytes: Uint8Array;
  readonly state: State;
}

interface Receiving {
  readonly info: SnapshotInfo;
  readonly bytes: Uint8Array;
  offset: number;
}

const KEPT_COUNT = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function sumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function heldOf(state: State): Held {
  const bytes = encoder.encode(JSON.stringify(state));
  const { index, term, checksum } = state;
  const info = { index, term, checksum, size: bytes.length, fileChecksum: sumOf(bytes) };
  return { info, bytes, state };
}

function isSame(a: SnapshotInfo, b: SnapshotInfo): boolean {
  return a.index === b.index && a.size === b.size && a.fileChecksum === b.fileChecksum;
}

export class SnapshotShelf implements SnapshotSource {
  #held: readonly Held[] = [];
  #taking: Held | undefined;
  #receiving: Receiving | undefined;
  /** whole and durable, and not in place yet */
  #received: Held | undefined;

  get newest(): SnapshotInfo | undefined {
    return this.#held.at(-1)?.info;
  }

  get newestState(): State | undefined {
    return this.#held.at(-1)?.state;
  }

  /** The index of the snapshot being taken; undefined when none is. */
  get takingIndex(): LogIndex | undefined {
    return this.#taking?.info.index;
  }

  get received(): Held | undefined {
    return this.#received;
  }

  read(snapshot: SnapshotInfo, offset: number, sizeMax: number): Uint8Array | undefined {
    const held = this.#held.find(({ info }) => isSame(info, snapshot));
    return held?.bytes.subarray(offset, offset + sizeMax);
  }

  /** Begins to take one of `state`; it is there once `finish` is called. */
  begin(state: State): void {
    if (this.#taking !== undefined || this.#received !== undefined) return;
    if (state.index <= (this.newest?.index ?? 0)) return;
    this.#taking = heldOf(state);
  }

  finish(): void {
    const taken = this.#taking;
    this.#taking = undefined;
    if (taken !== undefined) this.#keep(taken);
  }

  /** @returns how many bytes of the snapshot are here now */
  receive({ snapshot, offset, data }: SnapshotChunk): number | undefined {
    const received = this.#received;
    if (received !== undefined) return isSame(received.info, snapshot) ? snapshot.size : undefined;
    let receiving = this.#receiving;
    if (receiving === undefined || !isSame(receiving.info, snapshot)) {
      receiving = { info: snapshot, bytes: new Uint8Array(snapshot.size), offset: 0 };
      this.#receiving = receiving;
    }
    if (offset === receiving.offset) {
      receiving.bytes.set(data, offset);
      receiving.offset += data.length;
    }
    if (receiving.offset === snapshot.size) this.#verify(receiving);
    return receiving.offset;
  }

  #verify(receiving: Receiving): void {
    this.#receiving = undefined;
    if (sumOf(receiving.bytes) !== receiving.info.fileChecksum) {
      throw new RangeError("a snapshot arrives as it was sent");
    }
    const state = JSON.parse(decoder.decode(receiving.bytes)) as State;
    this.#received = { info: receiving.info, bytes: receiving.bytes, state };
    this.#keep(this.#received);
  }

  /** What was received is in place, or was not needed. */
  settle(): void {
    this.#received = undefined;
    this.#taking = undefined;
  }

  /** @param share of what was being received that reached the disk */
  crash(share: number): void {
    this.#taking = undefined;
    this.#received = undefined;
    const receiving = this.#receiving;
    if (receiving !== undefined) receiving.offset = Math.floor(receiving.offset * share);
  }

  #keep(held: Held): void {
    const others = this.#held.filter(({ info }) => info.index !== held.info.index);
    this.#held = [...others, held]
      .toSorted((a, b) => a.info.index - b.info.index)
      .slice(-KEPT_COUNT);
  }
}
