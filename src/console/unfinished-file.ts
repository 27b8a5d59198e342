/**
 * A file that a command is making: whoever stops the command before it is whole
 * leaves nothing of it.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { WholeFile } from "../storage/whole-file.js";
import { usageError } from "./failure.js";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Why a file cannot be made where it was asked for; all else is no matter of its name. */
const WHY_NOT: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `${dirname(path)} is not there`,
  ENOTDIR: (path) => `${dirname(path)} is no directory`,
  EACCES: (path) => `${dirname(path)} may not be written to`,
  EPERM: (path) => `${dirname(path)} may not be written to`,
  EROFS: (path) => `${dirname(path)} is on a disk that is read-only`,
  ENAMETOOLONG: () => "its name is too long",
};

/**
 * Begins the file that a command was asked for.
 *
 * @param replaces whether a file of that name may be replaced
 * @throws {CommandError} usage, when there is one that may not, or none can be made there
 */
export async function beginFile(path: string, replaces: boolean): Promise<WholeFile> {
  const { WholeFile } = await import("../storage/whole-file.js");
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory() === true)
      throw usageError(`${path} is a directory`, "the name of a file in it");
    if (there !== undefined && !replaces)
      throw usageError(`${path} is there already`, "another name, or --force to replace it");
    return WholeFile.create(path, replaces);
  } catch (error) {
    const why = WHY_NOT[error instanceof Error && "code" in error ? String(error.code) : ""];
    if (why === undefined) throw error;
    throw usageError(
      `${path} cannot be written: ${why(path)}`,
      "a file in a directory that is there and may be written to",
    );
  }
}

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
