/** What an operator can ask of a cluster, as three texts between nodes and clients. */
import { isNodeId, type NodeId } from "../raft/types.js";
import type { MembershipChange } from "../raft/ready.js";
import { isClientAddress } from "./handshake.js";

export type AdminAction =
  | MembershipChange
  | {
      readonly kind: "transfer";
      /** undefined: to whoever is nearest to the leader's log */
      readonly id: NodeId | undefined;
    };

/** Kind, node and address; empty where there is none. */
export function adminTexts(action: AdminAction): readonly [string, string, string] {
  return [action.kind, action.id ?? "", action.kind === "add" ? action.address : ""];
}

/** Undefined when the texts are of no action. */
export function adminActionOf(
  kind: string,
  node: string,
  address: string,
): AdminAction | undefined {
  if (kind === "transfer" && node === "") return { kind, id: undefined };
  if (!isNodeId(node)) return undefined;
  switch (kind) {
    case "transfer":
    case "promote":
    case "remove":
      return { kind, id: node };
    case "add":
      return address !== "" && isClientAddress(address) ? { kind, id: node, address } : undefined;
    default:
      return undefined;
  }
}
