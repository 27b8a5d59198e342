/** What a node says when its log and its leader's contradict each other, and it stops. */
import { DatabaseError } from "../errors.js";
import type { Divergence } from "../raft/ready.js";

export function divergenceError({ index, term, leader, reason }: Divergence): DatabaseError {
  const what =
    reason === "checksum-differs"
      ? "holds the same index and term with other bytes"
      : "would overwrite what is committed here";
  return new DatabaseError(
    "DIVERGENCE",
    `the log of leader ${leader} ${what} at index ${index}, term ${term}: one of the two is damaged; ` +
      `compare both directories with "balsa log compare"`,
  );
}
