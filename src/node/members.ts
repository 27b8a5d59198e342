/**
 * Who is where: keeps the transport's peers what the configuration in force says.
 *
 * A founding member's address is known to every node from its start; that of a
 * member added later stands in the log.
 */
import type { Raft } from "../raft/raft.js";
import type { Configuration, NodeId } from "../raft/types.js";
import type { Transport } from "../transport/transport.js";

export class Members {
  readonly #founding: ReadonlyMap<string, string>;
  readonly #transport: Transport;
  /** addresses of members that were: a leader still has to tell them that they are gone */
  readonly #known = new Map<NodeId, string>();
  #configuration: Configuration | undefined;
  #contacts: readonly NodeId[] = [];

  /** @param founding host:port by id, as the node was started with */
  constructor(founding: ReadonlyMap<string, string>, transport: Transport) {
    this.#founding = founding;
    this.#transport = transport;
  }

  /** Called with every turn; `isDue` now and then, for what does not change with the configuration. */
  follow(raft: Raft, isDue: boolean): void {
    const { configuration } = raft;
    if (!isDue && configuration === this.#configuration) return;
    const ids = raft.contacts;
    if (configuration === this.#configuration && areEqual(ids, this.#contacts)) return;
    this.#configuration = configuration;
    this.#contacts = ids;
    for (const { id, address } of configuration.records ?? []) {
      if (address !== "") this.#known.set(id, address);
    }
    const peers = new Map<NodeId, string>();
    for (const id of ids) {
      const address = this.addressOf(id);
      if (address !== undefined) peers.set(id, address);
    }
    const removed = (configuration.removed ?? []).filter((id) => !peers.has(id));
    this.#transport.setPeers(peers, new Set(removed));
  }

  /** host:port for peers; undefined when nobody has told. */
  addressOf(id: NodeId): string | undefined {
    return this.#known.get(id) ?? this.#founding.get(id);
  }

  /** Whether a member that is not removed is reached at `address`. */
  isTaken(address: string): boolean {
    const members = [
      ...(this.#configuration?.voters ?? []),
      ...(this.#configuration?.learners ?? []),
    ];
    return members.some((id) => this.addressOf(id) === address);
  }
}

function areEqual(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a === b || (a.length === b.length && a.every((id, i) => id === b[i]));
}
