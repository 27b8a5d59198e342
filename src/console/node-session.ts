/**
 * A node in the foreground, from start to stop: until a signal, until its parent
 * goes, or until it must stop by itself.
 */
import process from "node:process";
import type { NodeStart } from "./node-flags.js";

/** What the session needs of a running node. */
export interface ForegroundNode {
  close(): Promise<void>;
}

export type StartNode = (
  options: Omit<NodeStart, "notes"> & {
    readonly log: (line: string) => void;
    readonly onFailure: (error: Error) => void;
  },
) => Promise<ForegroundNode>;

export interface NodeSessionEvents {
  /** one line for the operator */
  readonly note: (line: string) => void;
  /** it serves clients */
  readonly onReady: () => void;
}

type Ending =
  | { readonly kind: "asked"; readonly by: string }
  | { readonly kind: "failed"; readonly error: Error };

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"];

/**
 * Resolves when the node was asked to stop and has stopped.
 *
 * @throws what the node could not start for, or stopped for
 */
export async function runNode(
  { notes, ...options }: NodeStart,
  startNode: StartNode,
  { note, onReady }: NodeSessionEvents,
): Promise<void> {
  let onEnding: (ending: Ending) => void = () => undefined;
  const ended = new Promise<Ending>((resolve) => (onEnding = resolve));
  // A second signal changes nothing: Ctrl-C reaches a whole group, and its parent signals again.
  const onSignal = (signal: NodeJS.Signals): void => {
    onEnding({ kind: "asked", by: signal });
  };
  const onOrphaned = (): void => {
    onEnding({ kind: "asked", by: "its parent being gone" });
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  // Only a process that was started with a channel has a parent to outlive.
  if (process.connected) process.once("disconnect", onOrphaned);
  try {
    for (const line of notes) note(`note: ${line}`);
    const node = await startNode({
      ...options,
      log: note,
      onFailure: (error) => {
        onEnding({ kind: "failed", error });
      },
    });
    note(
      `node ${options.id} serves clients on ${options.clientAddress}, nodes on ${options.peerAddress}, data in ${options.dataDirectory}`,
    );
    onReady();
    const ending = await ended;
    if (ending.kind === "asked") note(`stopping: ${ending.by}`);
    await node.close();
    if (ending.kind === "failed") throw ending.error;
    note("stopped");
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off("disconnect", onOrphaned);
    if (process.connected) process.disconnect();
  }
}
