import { DatabaseError } from "../errors.js";

/** What everybody is told whose request a node that stops does not take, or has not begun. */
export function stoppingError(): DatabaseError {
  return new DatabaseError("CLOSED", "the node is stopping");
}
