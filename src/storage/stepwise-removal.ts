/**
 * A large file that nobody else reads, removed a piece at a time, each of them done before the next.
 *
 * What a file system gives back it may have to tell the device (ext4 mounted with `discard` does): half a
 * millisecond for each mebibyte, for which whoever syncs next waits, and that is the log. Behind a
 * file of a hundred megabytes that is removed at once it waits for 10 to 20 ms; behind a piece, for one.
 * Others that have the file open, or another name of it, would find it cut short: for files of their own only.
 */
import type { File, FileSystem } from "./file-system.js";

/** bytes */
const STEP_SIZE = 2 * 1024 * 1024;

/** @param file at `path`, open for writing, and closed by this. What fails leaves it to the next start. */
export function removeInSteps(fileSystem: FileSystem, path: string, file: File): void {
  let size = file.size();
  const end = (): void => {
    file.close();
    fileSystem.removeLater(path, () => {
      // What could not be removed is removed by the next start.
    });
  };
  const step = (error?: Error): void => {
    try {
      if (error !== undefined || size <= STEP_SIZE) {
        end();
        return;
      }
      size -= STEP_SIZE;
      file.truncateLater(size, (truncateError) => {
        if (truncateError === undefined) file.datasyncLater(step);
        else step(truncateError);
      });
    } catch {
      // likewise
    }
  };
  step();
}
