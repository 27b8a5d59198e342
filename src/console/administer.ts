/** Changes of members and of the leader, as the commands tell them. */
import type { RemoteDatabase } from "../client/remote-database.js";
import type { AdminAction } from "../node/service.js";
import type { Output } from "./output.js";

export async function administer(
  database: RemoteDatabase,
  action: AdminAction,
  json: boolean,
  output: Output,
): Promise<void> {
  const { index } = await database.administer(action);
  const { leader, term } = await database.status();
  if (json) {
    await output.json({ action: action.kind, id: action.id ?? leader, index, leader, term });
    return;
  }
  const done: Readonly<Record<AdminAction["kind"], string>> = {
    add: `${action.id ?? ""} is a learner`,
    promote: `${action.id ?? ""} is a voter`,
    remove: `${action.id ?? ""} is no member any more: stop it`,
    transfer: leader === null ? "handed over" : `${leader} leads in term ${term}`,
  };
  await output.line(done[action.kind]);
}
