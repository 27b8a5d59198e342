/**
 * Request ids: 16 random bytes that name a write in the log, so that a write with
 * an unknown outcome can be searched for. Drawn in bulk, because a draw is a call
 * into the system's generator.
 */
import { randomFillSync } from "node:crypto";
import type { Request } from "../store/command.js";

const REQUEST_ID_SIZE = 16;
const DRAWN_COUNT = 256;

const drawn = new Uint8Array(REQUEST_ID_SIZE * DRAWN_COUNT);
let used = drawn.length;

/** A new id; never given twice. */
export function newRequestId(): Uint8Array {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  used += REQUEST_ID_SIZE;
  return drawn.slice(used - REQUEST_ID_SIZE, used);
}

/** Hex, or undefined when the request carries no id. */
export function requestIdOf(request: Request): string | undefined {
  return request.id.length === 0 ? undefined : Buffer.from(request.id).toString("hex");
}
