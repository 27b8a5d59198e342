/**
 * A table without room (store/arena.ts), as the doors live with it: what would grow
 * it is refused while there is room for all that is under way. The fold itself can
 * refuse nothing: a change that finds no page would stop every node, and again at
 * every start.
 */
import { DatabaseError } from "../errors.js";
import type { Command, Request } from "../store/command.js";

/** What makes a new version of a value, or may. */
const GROWING: ReadonlySet<Command["kind"]> = new Set<Command["kind"]>([
  "put",
  "append",
  "increment",
  "setExpiry",
  "commit",
]);

/** Whether a request may put anything into the table. */
export function mayGrow({ commands, otherwise }: Request): boolean {
  const all: readonly Command[] = [...commands, ...(otherwise ?? [])];
  return all.some(({ kind }) => GROWING.has(kind));
}

export function tableFull(nodeId: string): DatabaseError {
  return new DatabaseError(
    "DISK_FULL",
    `nothing was applied: the table of node ${nodeId}, keys, values and their history in memory, is nearly as large as it can be (32 GiB, or 131,072 values above 64 KiB); delete keys, which is still taken, or keep less history`,
  );
}
