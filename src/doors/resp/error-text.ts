/**
 * Errors in RESP's form: a code that clients can tell apart, then words.
 *
 *   CLUSTERDOWN  not applied, nobody could do it now: try again, here or elsewhere
 *   BUSY         not applied, too much is waiting: try again later
 *   MISCONF      not applied, the node's disk has no room (Redis says so when it cannot persist)
 *   UNKNOWN      a write that may or may not have been applied
 *   ERR          the request is wrong, or the node is
 */
import type { DatabaseError } from "../../errors.js";

export function errorText(error: DatabaseError): string {
  switch (error.code) {
    case "NO_LEADER":
    case "UNAVAILABLE":
    case "TIMEOUT":
    case "CLOSED":
      return `CLUSTERDOWN ${error.message}`;
    case "BUSY":
      return `BUSY ${error.message}`;
    case "DISK_FULL":
      return `MISCONF ${error.message}`;
    case "OUTCOME_UNKNOWN": {
      const name =
        error.requestId === undefined ? "it carried no request id" : `request ${error.requestId}`;
      return `UNKNOWN the write may or may not have been applied (${name}): ${error.message}`;
    }
    default:
      return `ERR ${error.message}`;
  }
}
