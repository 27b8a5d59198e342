/**
 * Why each node is what it is. The leader's table knows everybody's log, but the
 * reason of a role's last change only the node itself: it is asked, and one that
 * cannot be reached from here, or does not say so at once, is left without.
 */
import { DatabaseError } from "../errors.js";
import type { ClusterStatus, NodeStatus } from "../node/service.js";
import { UNREACHABLE_TIMEOUT_MS } from "./address.js";

/** The table with what the other living nodes say of themselves. */
export async function withReasons(status: ClusterStatus): Promise<ClusterStatus> {
  const nodes = await Promise.all(
    status.nodes.map(async (node) => {
      const reason = node.reason ?? (await reasonOf(node, status.clusterId));
      return { ...node, reason };
    }),
  );
  return { ...status, nodes };
}

async function reasonOf(
  { id, alive, client }: NodeStatus,
  clusterId: string,
): Promise<NodeStatus["reason"]> {
  if (!alive || client === null) return null;
  const { connect } = await import("../client/remote-database.js");
  const [timeoutMs, unreachableTimeoutMs] = [UNREACHABLE_TIMEOUT_MS, UNREACHABLE_TIMEOUT_MS];
  try {
    await using database = connect({ endpoints: [client], timeoutMs, unreachableTimeoutMs });
    const info = await database.info();
    // Behind that address another node may be, as seen from here.
    return info.id === id && info.clusterId === clusterId ? info.reason : null;
  } catch (error) {
    if (error instanceof DatabaseError) return null;
    throw error;
  }
}
