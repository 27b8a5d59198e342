/**
 * A node of a cluster in the real world: disk, sockets, the system's clock, and
 * the one client port with every protocol behind it.
 */
import { openNode, type OpenedNode } from "./node/lifecycle.js";
import type { NodeService } from "./node/service.js";
import type { NodeSettings } from "./node/settings.js";
import { NodeId } from "./raft/types.js";
import { NodeFileSystem } from "./storage/node-file-system.js";
import { parseAddress } from "./transport/address.js";

/** Milliseconds that a leader takes to find a successor before it stops without one. */
const HAND_OVER_MS_MAX = 1000;
/** Milliseconds that clients have to hear their answers and leave. */
const RETIRE_MS_MAX = 1000;

/** A node of a cluster: who it is, who the others are, where its data is. */
export type NodeOptions = NodeSettings;

/** A node that serves. Leaving `await using` closes it. */
export interface RunningNode extends AsyncDisposable {
  /** the node from within, by callbacks; `open` with `cluster` gives a Database over it instead */
  readonly service: NodeService;
  /** host:port */
  readonly peerAddress: string;
  /** host:port; every client protocol is served here */
  readonly clientAddress: string;
  /**
   * Hands leadership over if it leads, answers what its clients have under way and
   * sends them to other nodes, seals the log, frees the directory. Idempotent.
   *
   * @example
   * import { startNode } from "balsa-db";
   * const node = await startNode({
   *   id: "n1",
   *   peerAddress: "127.0.0.1:13141",
   *   clientAddress: "127.0.0.1:14141",
   *   cluster: new Map([["n1", "127.0.0.1:13141"]]),
   *   dataDirectory: "./data/n1",
   * });
   * await node.close();
   */
  close(): Promise<void>;
}

/**
 * Starts one node. Resolves when it listens on both ports; a leader may not be
 * known yet.
 *
 * @throws {DatabaseError} INVALID_ARGUMENT, DIRECTORY_IN_USE, WRONG_DIRECTORY,
 *   CORRUPTION, ADDRESS_UNAVAILABLE, STORAGE_FAILED
 *
 * @example
 * import { connect, startNode } from "balsa-db";
 * await using node = await startNode({
 *   id: "n1",
 *   peerAddress: "127.0.0.1:13141",
 *   clientAddress: "127.0.0.1:14141",
 *   cluster: new Map([["n1", "127.0.0.1:13141"]]),
 *   dataDirectory: "./data/n1",
 * });
 * await using database = connect([node.clientAddress]);
 * await database.put("color", "green");
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  // Loaded while the directory is being locked.
  const loadingTransport = import("./transport/tcp.js");
  const loadingDoors = loadDoors();
  const opened = await openNode({
    settings: options,
    fileSystem: new NodeFileSystem(),
    makeTransport: async ({ incarnationId, clusterId, nodeId }) => {
      const { TcpTransport } = await loadingTransport;
      return new TcpTransport({
        nodeId,
        clusterId,
        incarnationId,
        listenAddress: options.peerAddress,
        clientAddress: options.clientAddress,
        peers: otherMembers(options),
        random: Math.random,
      });
    },
  });
  try {
    return await serve(opened, options, await loadingDoors);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function loadDoors() {
  const [{ ClientDoor }, { nativeProtocol }, { RespDoor }] = await Promise.all([
    import("./doors/door.js"),
    import("./doors/native/native-door.js"),
    import("./doors/resp/resp-door.js"),
  ]);
  return { ClientDoor, nativeProtocol, RespDoor };
}

async function serve(
  opened: OpenedNode,
  options: NodeOptions,
  { ClientDoor, nativeProtocol, RespDoor }: Awaited<ReturnType<typeof loadDoors>>,
): Promise<RunningNode> {
  const door = await ClientDoor.listen({
    ...parseAddress(options.clientAddress),
    protocols: [nativeProtocol(opened.service), new RespDoor(opened.service)],
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async (): Promise<void> => {
      await handOver(opened.service);
      await door.retire(RETIRE_MS_MAX);
      try {
        await opened.close();
      } finally {
        await door.close();
      }
    })();
    return closing;
  };
  return {
    service: opened.service,
    peerAddress: options.peerAddress,
    clientAddress: options.clientAddress,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A leader that goes makes room first, so that nobody's request waits for an election. */
async function handOver(service: NodeService): Promise<void> {
  if (service.info().role !== "leader") return;
  await new Promise<void>((resolve) => {
    // However it ends: a leader that nobody can follow stops all the same.
    service.administer({ kind: "transfer", id: undefined }, HAND_OVER_MS_MAX, () => {
      resolve();
    });
  });
}

function otherMembers({ id, cluster }: NodeOptions): ReadonlyMap<NodeId, string> {
  const others = [...cluster].filter(([member]) => member !== id);
  return new Map(others.map(([member, address]) => [NodeId(member), address]));
}
