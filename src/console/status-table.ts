/** The cluster's state as a table for people. */
import type { ClusterStatus, NodeStatus } from "../node/service.js";
import { textTable } from "./text.js";

const NUMBERS: ReadonlySet<string> = new Set(["TERM", "LAST", "COMMIT", "APPLIED", "MATCH", "LAG"]);
const HEADING = [
  "ID",
  "ROLE",
  "ALIVE",
  "TERM",
  "LAST",
  "COMMIT",
  "APPLIED",
  "MATCH",
  "LAG",
  "CLIENTS",
  "NODES",
  "WHY",
];

/** The lines of `cluster status`: a sentence on the whole, then one row a node. */
export function statusLines(status: ClusterStatus): readonly string[] {
  const alive = status.nodes.filter((node) => node.alive).length;
  const leader =
    status.leader === null ? "no leader" : `leader ${status.leader} in term ${status.term}`;
  return [
    `cluster ${status.clusterId}: ${leader}, ${alive} of ${status.nodes.length} nodes alive`,
    "",
    ...textTable(HEADING, status.nodes.map(rowOf), NUMBERS),
  ];
}

function rowOf(node: NodeStatus): readonly string[] {
  const known = (value: number | string | null): string => (value === null ? "-" : String(value));
  return [
    node.id,
    node.role,
    node.alive ? "yes" : "no",
    known(node.term),
    known(node.lastIndex),
    known(node.commitIndex),
    known(node.appliedIndex),
    known(node.matchIndex),
    known(node.lag),
    known(node.client),
    node.peer,
    known(node.reason),
  ];
}
