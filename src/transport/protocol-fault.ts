/** What a peer may do wrong, told apart from what we may. */
import { DatabaseError } from "../errors.js";

/**
 * The peer's violation as text for its notice. Anything else that was thrown is
 * our own mistake and thrown on: it must stop the process, not a connection.
 */
export function protocolFault(error: unknown): string {
  if (error instanceof DatabaseError && error.code === "PROTOCOL") return error.message;
  throw error;
}
