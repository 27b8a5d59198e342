/** Requests as an entry, for tests that have them as objects. */
import { sealCommands } from "../../src/codec/block.js";
import type { CommandsEntry, EntryPosition } from "../../src/raft/types.js";
import type { Request } from "../../src/store/command.js";

export function sealRequests(
  position: EntryPosition,
  time: number,
  requests: readonly Request[],
): CommandsEntry {
  return sealCommands(
    position,
    time,
    requests.map((request) => ({ request })),
  );
}
