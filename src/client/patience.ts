/** How long somebody waits for something: until a moment, or until a signal. */
import type { DatabaseError } from "../errors.js";
import { watchAbort } from "./abort-watch.js";
import { aborted } from "./failures.js";

export interface Patience {
  /** by `performance.now` */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * What `begin` has to tell, or, when the patience ends first, an error: ABORTED, or that
 * of `late`.
 *
 * @param begin starts to wait. @returns how to stop: called at once when it is given up
 */
export function patiently<T>(
  { deadline, signal }: Patience,
  late: () => DatabaseError,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(aborted(signal));
      return;
    }
    // A timer of Node's may be early by less than one.
    const timer = setTimeout(
      () => {
        giveUp(late());
      },
      Math.max(0, Math.ceil(deadline - performance.now())) + 1,
    );
    const unwatch =
      signal === undefined
        ? undefined
        : watchAbort(signal, () => {
            giveUp(aborted(signal));
          });
    const finish = (): void => {
      clearTimeout(timer);
      unwatch?.();
    };
    const stop = begin(
      (value) => {
        finish();
        resolve(value);
      },
      (error) => {
        finish();
        reject(error);
      },
    );
    function giveUp(error: DatabaseError): void {
      finish();
      stop();
      reject(error);
    }
  });
}
