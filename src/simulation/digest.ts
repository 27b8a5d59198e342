/**
 * A life in one number: every line of its trace, every message that arrived, with what
 * it carries, and every byte that clients were told. Two lives with the same number were
 * the same, as far as anybody in them could see.
 */
import type { PeerMessage } from "../codec/peer-message.js";
import type { NodeId } from "../raft/types.js";
import { hashText } from "./random.js";

export class Digest {
  #hash = hashText("balsa");

  /** Eight hex digits. */
  toString(): string {
    return this.#hash.toString(16).padStart(8, "0");
  }

  addLine(text: string): void {
    this.#hash = hashText(text, this.#hash);
  }

  /** FNV-1a. */
  addBytes(bytes: Uint8Array): void {
    let hash = this.#hash;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#hash = hash >>> 0;
  }

  /** @param time milliseconds; fractions count */
  addMessage(to: NodeId, message: PeerMessage, time: number): void {
    this.addLine(to);
    this.addLine(message.kind);
    this.#add(Math.floor(time * 1000));
    if ("term" in message) this.#add(message.term);
    if (message.kind === "appendEntries") {
      this.#add(message.prevLogChecksum);
      this.#add(message.leaderCommit);
      // Chained: it speaks of all entries before.
      this.#add(message.entries.at(-1)?.checksum ?? 0);
    } else if (message.kind === "appendEntriesResult") {
      this.#add(message.matchIndex);
    } else if (message.kind === "installSnapshot") {
      this.addBytes(message.data);
    }
  }

  /** The low 32 bits of an integer. */
  #add(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193) >>> 0;
  }
}
