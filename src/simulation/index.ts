/**
 * `balsa-db/simulation`: the world that Balsa itself is tried in, for whoever wants
 * to see it fall. One seed is one life of a cluster: real driver, core, storage and
 * store, on a simulated clock, network and disk, under faults, with clients whose
 * history is checked. Nothing here touches a real disk, socket, clock or chance.
 *
 * ```ts
 * import { shrink, simulate } from "balsa-db/simulation";
 *
 * const { failure, traceHash } = simulate({ seed: 7 });
 * if (failure !== undefined) console.log(shrink({ seed: 7 }).result.failure?.trace);
 * ```
 */
export { simulate, type SimulationOptions, type SimulationResult } from "./simulation.js";
export type { Emphasis } from "./nemesis.js";
export { replayCommand, shrink, type Shrunk } from "./shrink.js";
export {
  checkLinearizable,
  REGISTER,
  type Model,
  type Operation,
  type Register,
  type RegisterInput,
  type RegisterOutput,
} from "./linearizability.js";
export {
  checkSerializable,
  type ListOperation,
  type ListTransaction,
  type SerializabilityVerdict,
} from "./serializability.js";
