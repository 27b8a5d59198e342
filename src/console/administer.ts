/** Changes of members and of the leader, as the commands tell them. */
import type { RemoteDatabase } from "../client/remote-database.js";
import { DatabaseError } from "../errors.js";
import type { AdminAction } from "../node/service.js";
import type { Output } from "./output.js";

/** Milliseconds. */
const STATUS_TIMEOUT_MS = 1000;

export async function administer(
  database: RemoteDatabase,
  action: AdminAction,
  json: boolean,
  output: Output,
): Promise<void> {
  const { index } = await database.administer(action);
  const { leader, term } = await whoLeads(database);
  if (json) {
    await output.json({ action: action.kind, id: action.id ?? leader, index, leader, term });
    return;
  }
  const done: Readonly<Record<AdminAction["kind"], string>> = {
    add: `${action.id ?? ""} is a learner`,
    promote: `${action.id ?? ""} is a voter`,
    remove: `${action.id ?? ""} is no member any more: stop it`,
    transfer: leader === null || term === null ? "handed over" : `${leader} leads in term ${term}`,
  };
  await output.line(done[action.kind]);
}

/** What was done stays done, whether or not this can be told: the node that was asked may be the one that went. */
async function whoLeads(
  database: RemoteDatabase,
): Promise<{ readonly leader: string | null; readonly term: number | null }> {
  try {
    return await database.status({ timeoutMs: STATUS_TIMEOUT_MS });
  } catch (error) {
    if (error instanceof DatabaseError) return { leader: null, term: null };
    throw error;
  }
}

/** How a member that was added is started, whether or not the cluster can be asked once more. */
export async function howToStart(
  database: RemoteDatabase,
  id: string,
  address: string,
): Promise<string> {
  try {
    const { nodes, clusterId } = await database.status();
    const members = nodes.filter((node) => node.id !== id).map((node) => `${node.id}=${node.peer}`);
    return startLine(id, [...members, `${id}=${address}`].join(","), clusterId);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return `${startLine(id, `ID=HOST:PORT,…,${id}=${address}`, "CLUSTER-ID")} (balsa cluster status shows both)`;
  }
}

function startLine(id: string, cluster: string, clusterId: string): string {
  return `balsa node start --id ${id} --cluster ${cluster} --join ${clusterId} --client HOST:PORT`;
}
