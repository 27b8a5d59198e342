/**
 * Many operations given up by one signal, with one listener on it: a program may
 * hand one signal to a thousand operations, and Node warns of a leak at eleven.
 */
const watchers = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `onAbort` when the signal fires. @returns how to stop watching; may be called twice */
export function watchAbort(signal: AbortSignal, onAbort: () => void): () => void {
  const watching = watchers.get(signal) ?? beginWatching(signal);
  watching.add(onAbort);
  return () => {
    watching.delete(onAbort);
    if (watching.size > 0 || watchers.get(signal) !== watching) return;
    watchers.delete(signal);
    signal.removeEventListener("abort", onAbortOfSignal);
  };
}

function beginWatching(signal: AbortSignal): Set<() => void> {
  const watching = new Set<() => void>();
  watchers.set(signal, watching);
  signal.addEventListener("abort", onAbortOfSignal, { once: true });
  return watching;
}

function onAbortOfSignal(this: AbortSignal): void {
  const watching = watchers.get(this);
  watchers.delete(this);
  if (watching === undefined) return;
  // Each is done with when it is told; what they do may add no more.
  for (const onAbort of [...watching]) onAbort();
}
