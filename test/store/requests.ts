/** Short ways to write requests, for tests. */
import type { Command, PutCondition, Request } from "../../src/store/command.js";

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString("latin1");
}

export function request(...commands: Command[]): Request {
  return { id: new Uint8Array(0), commands };
}

export function put(key: string, value: string, condition: PutCondition = "none"): Command {
  return { kind: "put", key: bytes(key), value: bytes(value), condition };
}

export function del(key: string): Command {
  return { kind: "delete", key: bytes(key) };
}

export function deleteRange(from: string, end: string): Command {
  return { kind: "deleteRange", key: bytes(from), end: bytes(end) };
}

export function increment(key: string, by: bigint): Command {
  return { kind: "increment", key: bytes(key), by };
}

export function append(key: string, value: string): Command {
  return { kind: "append", key: bytes(key), value: bytes(value) };
}
