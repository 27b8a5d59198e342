/**
 * The life of a node in the real world: what is opened, in which order, and how
 * it ends.
 *
 *   lock and identity → hard state → log (recovery) → core → transport
 *
 * It closes in reverse. A failure on the way up closes what was opened; a failure
 * in service stops the node at once and reports it.
 */
import { randomBytes } from "node:crypto";
import { openDataDirectory, readIdentity, type Identity } from "../storage/data-directory.js";
import { NodeId } from "../raft/types.js";
import type { FileSystem } from "../storage/file-system.js";
import type { RecoveryReport } from "../storage/log-storage.js";
import type { Transport } from "../transport/transport.js";
import type { assembleNode, AssembledNode } from "./assembly.js";
import { SystemClock } from "./clock.js";
import type { NodeService } from "./service.js";
import { checkSettings, clusterIdFor, type NodeSettings } from "./settings.js";

export interface OpenNodeOptions {
  readonly settings: NodeSettings;
  readonly fileSystem: FileSystem;
  readonly makeTransport: (identity: Identity) => Transport | Promise<Transport>;
}

export interface OpenedNode {
  readonly service: NodeService;
  readonly recovery: RecoveryReport;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Opens a node; the doors to users are the caller's. */
export async function openNode(options: OpenNodeOptions): Promise<OpenedNode> {
  const { settings, fileSystem, makeTransport } = options;
  checkSettings(settings);
  // The first failure counts; before the node stands, it fails the opening.
  let failure: Error | undefined;
  let onFailure = (error: Error): void => {
    failure ??= error;
  };
  const fail = (error: Error): void => {
    onFailure(error);
  };
  const locking = openDataDirectory({
    path: settings.dataDirectory,
    nodeId: NodeId(settings.id),
    clusterId: clusterIdFor(settings, readIdentity(settings.dataDirectory)?.salt),
    onCompromised: fail,
  });
  // To be sure of the lock of a node that was killed takes 50 ms, which is what loading the rest takes.
  const [directory, { assembleNode }] = await Promise.all([locking, import("./assembly.js")]);
  let assembled: AssembledNode | undefined;
  let transport: Transport | undefined;
  const close = closeOnce(async () => {
    // A disk that fails as the log is sealed keeps no directory from whoever opens it next.
    try {
      await transport?.close();
    } finally {
      try {
        assembled?.close();
      } finally {
        await directory.close();
      }
    }
  });
  try {
    transport = await makeTransport(directory.identity);
    assembled = assembleNode(settings, directory.identity, realWorld(fileSystem, transport), fail);
    await transport.start(assembled.node);
    if (failure !== undefined) throw failure;
    onFailure = stopOnFailure(settings, close);
    assembled.start();
    return { service: assembled.node, recovery: assembled.recovery, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function realWorld(
  fileSystem: FileSystem,
  transport: Transport,
): Parameters<typeof assembleNode>[2] {
  return {
    fileSystem,
    transport,
    clock: new SystemClock(),
    random: Math.random,
    flushesOnLoop: true,
    newRequestId: requestIdSource(),
  };
}

/** A node that fails stops once, then says so. */
function stopOnFailure(settings: NodeSettings, close: () => Promise<void>): (error: Error) => void {
  let failed = false;
  return (error) => {
    if (failed) return;
    failed = true;
    const report = (): void => settings.onFailure?.(error);
    close().then(report, report);
  };
}

function closeOnce(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => (closing ??= close());
}

/** Eight random bytes of this process, then a counter: cheap, and never the same twice. */
function requestIdSource(): () => Uint8Array {
  const prefix = randomBytes(8);
  let counter = 0;
  return () => {
    const id = Buffer.alloc(16);
    prefix.copy(id);
    counter += 1;
    id.writeUIntBE(counter, 10, 6);
    return id;
  };
}
