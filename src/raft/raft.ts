/** The Raft core: see ready.ts for its contract. */
import type { Message } from "./message.js";
import type { RaftOptions } from "./options.js";
import type { ProposeResult, RaftStatus, Ready } from "./ready.js";
import type { Configuration, Entry, EntryPosition, LogIndex, NodeId } from "./types.js";

export declare class Raft {
  constructor(options: RaftOptions);
  /** One period of the driver's timer. */
  tick(): void;
  /** A message from a peer. Messages of strangers (not in the configuration) are ignored. */
  step(message: Message): void;
  /** The connection to a peer was lost: pipelined appends are gone, probe it again. */
  peerUnreachable(peer: NodeId): void;
  /** A leader appends what `seal` makes for the next position; anybody else learns who leads. */
  propose(seal: (position: EntryPosition) => Entry): ProposeResult;
  /** Asks for a linearizable read; `context` is unique for the life of the process. */
  requestRead(context: number): void;
  /** All that Ready `persistId` asked to persist (and every earlier one) is flushed. */
  persisted(persistId: number): void;
  /** The state machine has applied everything up to `index`. */
  applied(index: LogIndex): void;
  /** Whether `ready()` would hold anything. */
  hasReady(): boolean;
  /** Takes what there is to do. */
  ready(): Ready;
  status(): RaftStatus;
  get configuration(): Configuration;
}
