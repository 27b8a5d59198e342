/**
 * Keeps a channel at the leader, so that writes need no hop. Now and then, when
 * there is a write anyway, it asks who leads, and where; it moves only to an
 * endpoint that the user has given: the address that a node knows of itself may be
 * none that can be reached from here.
 */
import type { ClusterStatus } from "../node/service.js";
import type { Channel } from "./channel.js";
import type { Endpoint } from "./endpoint.js";

/** A client of a few requests has nothing to gain. Milliseconds. */
const FIRST_LOOK_MS = 1000;
/** Between two looks. Milliseconds. */
const LOOK_MS = 2000;

export class LeaderFollower {
  readonly #channel: Channel;
  readonly #endpoints: readonly Endpoint[];
  readonly #ask: () => Promise<ClusterStatus>;
  readonly #now: () => number;
  /** by `#now` */
  #nextLook: number | undefined;

  /**
   * @param ask the status, through the channel
   * @param now milliseconds, monotonic
   */
  constructor(
    channel: Channel,
    endpoints: readonly Endpoint[],
    ask: () => Promise<ClusterStatus>,
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    this.#channel = channel;
    this.#endpoints = endpoints;
    this.#ask = ask;
  }

  /** A write is about to be sent. */
  onWrite(): void {
    if (this.#endpoints.length < 2) return;
    const now = this.#now();
    this.#nextLook ??= now + FIRST_LOOK_MS;
    if (now < this.#nextLook) return;
    this.#nextLook = Infinity;
    this.#look().then(
      () => {
        this.#nextLook = this.#now() + LOOK_MS;
      },
      () => {
        // Whoever did not tell is left by the writes themselves.
        this.#nextLook = this.#now() + LOOK_MS;
      },
    );
  }

  async #look(): Promise<void> {
    const { leader, nodes } = await this.#ask();
    const address = nodes.find(({ id }) => id === leader)?.client;
    const endpoint = this.#endpoints.find(({ text }) => text === address);
    if (endpoint !== undefined) this.#channel.prefer(endpoint);
  }
}
