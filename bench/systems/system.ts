/** A system under load: its processes, where to send requests, and what its answers are worth. */
import type { Dialect } from "../load/job.js";

export const SYSTEM_NAMES = ["balsa", "etcd", "redis", "redis-wait", "nats", "ceiling"] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

export interface System {
  readonly name: SystemName;
  readonly version: string;
  /** processes, and what an answer to a write means */
  readonly remark: string;
  readonly dialect: Dialect;
  /** replicas that must have a write before it counts, where the client has to ask for it */
  readonly waitReplicas: number;
  /** of the processes that run */
  readonly pids: readonly number[];
  /** of each node, the files that hold its log */
  readonly logDirectories: readonly string[];
  /** the client port, on 127.0.0.1, of the node that takes writes */
  leaderPort(): Promise<number>;
  /** of those that do not lead, and serve all the same */
  followerPorts(): Promise<readonly number[]>;
  /** kill -9 of the node behind a client port */
  killAt(port: number): Promise<void>;
  /** Starts it anew on its directory. Resolves when it runs, not when it serves. */
  startAt(port: number): Promise<void>;
  /** Ends every process, and starts them on the same directories. Resolves when they run, not when they serve. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}
