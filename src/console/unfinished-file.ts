/**
 * A file that a command is making: whoever stops the command before it is whole
 * leaves nothing of it.
 */
import type { WholeFile } from "../storage/whole-file.js";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Does `work`, which must let the event loop turn; when it fails or a signal comes, nothing is left of `file`. */
export async function orNothing<T>(file: WholeFile, work: () => Promise<T>): Promise<T> {
  const onSignal = (signal: NodeJS.Signals): void => {
    file.abort();
    forget();
    // It ends as it would have without us.
    process.kill(process.pid, signal);
  };
  const forget = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work();
  } catch (error) {
    file.abort();
    throw error;
  } finally {
    forget();
  }
}
