/**
 * Endpoints: the client addresses of nodes, as people write them.
 *
 *   endpoint := host ":" port        host := name | IPv4 | "[" IPv6 "]"
 */
import { isIPv6 } from "node:net";
import { invalid } from "./failures.js";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** as it was written; for messages */
  readonly text: string;
}

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/;

/** @throws {DatabaseError} INVALID_ARGUMENT when there is none, or one is no address */
export function parseEndpoints(texts: readonly string[]): readonly Endpoint[] {
  if (texts.length === 0) throw invalid("endpoints is empty: expected at least one host:port");
  return texts.map(parseEndpoint);
}

function parseEndpoint(text: string): Endpoint {
  const match = HOST_PORT.exec(text);
  const ipv6 = match?.[1];
  const host = ipv6 ?? match?.[2];
  const port = Number(match?.[3]);
  const valid = host !== undefined && (ipv6 === undefined || isIPv6(ipv6));
  if (!valid || port < 1 || port > 65_535)
    throw invalid(
      `endpoint ${JSON.stringify(text)} is no address: expected host:port, such as 127.0.0.1:14141 or [::1]:14141`,
    );
  return { host, port, text };
}
