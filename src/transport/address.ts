/** host:port, as text and as what a socket wants. */
import { DatabaseError } from "../errors.js";

/** characters; DNS knows no longer name */
const HOST_LENGTH_MAX = 253;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || host.length > HOST_LENGTH_MAX || port > 65_535) {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `"${text.slice(0, 300)}" is no address: write host:port, as in 127.0.0.1:13141`,
    );
  }
  return { host, port };
}

/** Whether somebody can be called there: an address, and not "any port". */
export function isDialable(text: string): boolean {
  try {
    return parseAddress(text).port !== 0;
  } catch (error) {
    // Anything else is our mistake.
    if (error instanceof DatabaseError) return false;
    throw error;
  }
}
