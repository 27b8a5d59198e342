/**
 * PeerLink: the way to one peer: two lanes that open and close together, dialed
 * again and again with a jittered back-off while the peer is away.
 *
 * Heartbeats, votes, read rounds and results take the control lane; entries and
 * forwarded requests the bulk lane, so that what keeps a leader in office never
 * waits behind what fills a disk.
 */
import { assert } from "../assert.js";
import type { Hello, Lane as LaneName } from "../codec/handshake.js";
import { encodePeerFrame, type PeerMessage } from "../codec/peer-message.js";
import type { NodeId } from "../raft/types.js";
import type { Address } from "./address.js";
import { Lane } from "./lane.js";
import type { PeerConnection } from "./transport.js";

/** Milliseconds. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2000;
/** A peer that refused us will hardly want us sooner. Milliseconds. */
const REFUSED_BACKOFF_MS = 2000;
/** A connection that stood for so many looks has proved that the peer is well. */
const STABLE_LOOKS = 4;

/** Bytes that may wait on a lane; beyond it messages are dropped, and Raft sends again. */
const QUEUE_SIZE_MAX: Readonly<Record<LaneName, number>> = {
  control: 4 * 1024 * 1024,
  bulk: 64 * 1024 * 1024,
};

export interface PeerLinkOptions {
  readonly id: NodeId;
  readonly addressText: string;
  readonly address: Address;
  readonly hello: (lane: LaneName) => Hello;
  readonly random: () => number;
  /** milliseconds to connect and be welcomed */
  readonly handshakeMs: number;
  readonly onIncarnation: (incarnationId: string) => void;
  readonly onConnected: () => void;
  readonly onDisconnected: () => void;
  readonly onNotice: (notice: string) => void;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  #control: Lane | undefined;
  #bulk: Lane | undefined;
  #redial: NodeJS.Timeout | undefined;
  /** in a row; a connection counts as one until it proves stable */
  #failedAttempts = 0;
  #looksConnected = 0;
  #refused = false;
  #connected = false;
  #closed = false;
  #clientAddress: string | undefined;
  #incarnationId: string | undefined;
  #lastError: string | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  /** host:port as it was given */
  get address(): string {
    return this.#options.addressText;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** Dials both lanes. */
  dial(): void {
    if (this.#closed) return;
    assert(this.#control === undefined, "a link is dialed while it has no lanes");
    assert(this.#bulk === undefined, "a link is dialed while it has no lanes");
    this.#redial = undefined;
    this.#refused = false;
    this.#control = this.#openLane("control");
    this.#bulk = this.#openLane("bulk");
  }

  /** The peer has just called us, so it is there: no need to wait any longer. */
  hasten(): void {
    if (this.#redial === undefined || this.#refused) return;
    clearTimeout(this.#redial);
    this.dial();
  }

  send(message: PeerMessage): void {
    if (!this.#connected) return;
    const lane = laneOf(message) === "bulk" ? this.#bulk : this.#control;
    lane?.send(encodePeerFrame(message));
  }

  flush(): void {
    this.#control?.flush();
    this.#bulk?.flush();
  }

  look(silentLooksMax: number): void {
    this.#control?.look(silentLooksMax);
    this.#bulk?.look(silentLooksMax);
    if (!this.#connected) return;
    this.#looksConnected += 1;
    if (this.#looksConnected >= STABLE_LOOKS) this.#failedAttempts = 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#redial);
    this.#redial = undefined;
    this.#drop("the transport is closing");
  }

  status(): PeerConnection {
    return {
      id: this.#options.id,
      address: this.#options.addressText,
      connected: this.#connected,
      clientAddress: this.#clientAddress,
      incarnationId: this.#incarnationId,
      lastError: this.#lastError,
    };
  }

  #openLane(name: LaneName): Lane {
    const lane: Lane = new Lane({
      address: this.#options.address,
      hello: this.#options.hello(name),
      queueSizeMax: QUEUE_SIZE_MAX[name],
      handshakeMs: this.#options.handshakeMs,
      events: {
        onOpen: (greeting) => {
          this.#clientAddress = greeting.clientAddress;
          this.#incarnationId = greeting.incarnationId;
          this.#options.onIncarnation(greeting.incarnationId);
          this.#onLaneOpen();
        },
        onRefused: (refusal) => {
          this.#refused = true;
          this.#options.onNotice(
            `${this.#options.id} at ${this.#options.addressText} refuses this node (${refusal.reason}): ${refusal.text}`,
          );
        },
        onClose: (reason) => {
          if (this.#control === lane || this.#bulk === lane) this.#drop(reason);
        },
      },
    });
    return lane;
  }

  #onLaneOpen(): void {
    if (this.#control?.isOpen !== true || this.#bulk?.isOpen !== true) return;
    this.#looksConnected = 0;
    this.#lastError = undefined;
    this.#connected = true;
    this.#options.onConnected();
  }

  /** One lane lost is both lost: the order of messages starts afresh. */
  #drop(reason: string): void {
    const lanes = [this.#control, this.#bulk];
    this.#control = undefined;
    this.#bulk = undefined;
    for (const lane of lanes) lane?.close(reason);
    this.#lastError = reason;
    if (this.#connected) {
      this.#connected = false;
      this.#options.onDisconnected();
    }
    if (this.#closed) return;
    this.#redial = setTimeout(() => {
      this.dial();
    }, this.#backoffMs());
  }

  /** Grows with every failure in a row; jittered, so that peers do not call in step. */
  #backoffMs(): number {
    const { random } = this.#options;
    if (this.#refused) return REFUSED_BACKOFF_MS * (1 + random());
    const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failedAttempts);
    this.#failedAttempts += 1;
    return ceiling * (0.5 + random() / 2);
  }
}

function laneOf(message: PeerMessage): LaneName {
  switch (message.kind) {
    case "appendEntries":
      return message.entries.length === 0 ? "control" : "bulk";
    case "installSnapshot":
    case "forward":
    // Before the entries that hold the request, on the same lane: the order is kept.
    case "forwardAccepted":
      return "bulk";
    default:
      return "control";
  }
}
