/** What a protocol has to know to be a load client: how requests look, and where answers end. */
import type { Demand } from "./workload.js";

export interface Protocol {
  /** bytes to say first; may be empty */
  readonly preface: Buffer;
  /** requests sent that are not answered */
  readonly inFlight: number;
  /** `count` requests, one behind another, of what is demanded; each began at `beganMs` */
  requests(count: number, demand: Demand, beganMs: number): Buffer;
  /** Takes bytes, which are valid only during the call. */
  receive(chunk: Buffer): Received;
  /** Tells what was never answered. */
  giveUp(): void;
}

/** How many requests a chunk completed, and what must be said at once. One object a protocol, changed in place. */
export interface Received {
  completed: number;
  reply: Buffer | undefined;
}
