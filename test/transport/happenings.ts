/** Waiting for what happens, without clocks: conditions are asked again after every event. */
import type { PeerMessage } from "../../src/codec/peer-message.js";
import type { NodeId } from "../../src/raft/types.js";
import type { TransportHandler } from "../../src/transport/transport.js";

interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
}

export class Happenings {
  #waiters: Waiter[] = [];

  /** Something did. */
  happened(): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ condition, resolve }) => {
      if (!condition()) return true;
      resolve();
      return false;
    });
  }

  /** Resolves as soon as `condition` holds after something happened; the test's own timeout bounds it. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ condition, resolve });
    });
  }
}

/** A handler that keeps everything it is told. */
export class Recorder implements TransportHandler {
  readonly messages: PeerMessage[] = [];
  readonly connected: NodeId[] = [];
  readonly disconnected: NodeId[] = [];
  readonly notices: string[] = [];
  readonly incarnations = new Map<NodeId, string>();
  readonly #happenings: Happenings;

  constructor(happenings: Happenings) {
    this.#happenings = happenings;
  }

  onMessage(message: PeerMessage): void {
    this.messages.push(message);
    this.#happenings.happened();
  }

  onPeerIncarnation(peer: NodeId, incarnationId: string): void {
    this.incarnations.set(peer, incarnationId);
    this.#happenings.happened();
  }

  onPeerConnected(peer: NodeId): void {
    this.connected.push(peer);
    this.#happenings.happened();
  }

  onPeerDisconnected(peer: NodeId): void {
    this.disconnected.push(peer);
    this.#happenings.happened();
  }

  onNotice(notice: string): void {
    this.notices.push(notice);
    this.#happenings.happened();
  }
}
