/** Addresses as people write them: `host:port`, IPv6 in brackets. */
import { usageError } from "./failure.js";

export interface Address {
  /** a name, an IPv4 address, or an IPv6 address without its brackets */
  readonly host: string;
  readonly port: number;
  /** as given */
  readonly text: string;
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)):(\d{1,5})$/;
const PORT_MAX = 65_535;
/** What names addresses that clients reach; anything else those of nodes among themselves. */
const FOR_CLIENTS: ReadonlySet<string> = new Set(["--endpoints", "--client", "BALSA_ENDPOINTS="]);
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** @throws {CommandError} usage, when the text is no address; `what` names where it stood, `n1=` what was before it */
export function parseAddress(text: string, what: string): Address {
  const match = ADDRESS.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > PORT_MAX) {
    const why = match === null ? "is not HOST:PORT" : `has no port from 1 to ${PORT_MAX}`;
    const example = told(what, `127.0.0.1:${FOR_CLIENTS.has(what) ? 14_141 : 13_141}`);
    throw usageError(`${told(what, `"${text}"`)} ${why}`, `${example} (IPv6: [::1]:13141)`);
  }
  return { host: match[1] ?? match[2] ?? "", port, text };
}

function told(what: string, text: string): string {
  return what.endsWith("=") ? `${what}${text}` : `${what} ${text}`;
}

/** A comma-separated list, at least one, each once. */
export function parseEndpoints(text: string, what = "--endpoints"): readonly Address[] {
  const parts = text.split(",").map((part) => part.trim());
  const addresses = parts
    .filter((part) => part !== "")
    .map((part) => {
      const bare = part.startsWith("tcp://") ? part.slice("tcp://".length) : part;
      return parseAddress(bare, what);
    });
  if (addresses.length === 0) {
    const name = what.replace(/=$/, "");
    throw usageError(`${name} names no address`, told(what, "127.0.0.1:14141,127.0.0.1:14142"));
  }
  return addresses.filter(
    (one, at) => addresses.findIndex(({ text: same }) => same === one.text) === at,
  );
}

/** Whether two listeners on these addresses would be after the same port. */
export function collides(left: Address, right: Address): boolean {
  if (left.port !== right.port) return false;
  return left.host === right.host || isWildcard(left) || isWildcard(right);
}

/** Whether it means every interface of the machine. */
export function isWildcard(address: Address): boolean {
  return WILDCARDS.has(address.host);
}

/**
 * How long a command waits for nodes none of which can be reached: enough for one
 * that is just starting, not so much that a wrong port feels like a hang. Milliseconds.
 */
export const UNREACHABLE_TIMEOUT_MS = 500;
