/**
 * A watch: questions for changes one behind another, each waiting at the node until
 * there are some. Nothing is held for it between two questions, here or there: a
 * consumer that is slow is one that does not ask, and what it has not asked for
 * costs nobody memory. If it is so slow that the history before it is compacted,
 * its next question fails with REVISION_COMPACTED, and both numbers.
 *
 * A question may be answered by any node and asked again: where to go on is in it.
 */
import { DatabaseError } from "../errors.js";
import type { WatchEvent, WatchOptions } from "../watch.js";
import { watchAbort } from "./abort-watch.js";
import type { Backend } from "./backend.js";
import { keyChangeOf, wholeRevision } from "./history.js";
import {
  checkRange,
  checkTimeoutMs,
  type KeyRange,
  PAGE_COUNT_MAX,
  PAGE_SIZE_MAX,
} from "./request.js";
import { throwIf } from "./failures.js";

/** How long a question waits at the node, unless progress is to be told earlier. Milliseconds. */
const WAIT_MS = 10_000;
/** How long a node may take to say that there was nothing. Milliseconds. */
const CONFIRM_MS = 5000;
const TIMEOUT_MS_DEFAULT = 30_000;
/** Between two questions of which the first failed. Milliseconds. */
const REST_MS = 50;

/** Why a watch was given up whose consumer has left: nobody is told. */
const LEFT = Symbol("left");

export function watchChanges(
  backend: Backend,
  range: KeyRange,
  options: WatchOptions,
): AsyncIterableIterator<WatchEvent, void, undefined> {
  return untilLeft(options.signal, (signal) => changesOf(backend, range, options, signal));
}

/**
 * What `begin` gives, but `return` ends it also while it waits for an event: a generator
 * alone would not hear of it before that has come. The `next` under way is done then.
 *
 * @param begin is given a signal that fires with `outer`, and when the consumer leaves
 */
export function untilLeft<T>(
  outer: AbortSignal | undefined,
  begin: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncIterableIterator<T, void, undefined> {
  const left = new AbortController();
  const events = untilAborted(outer, left, begin);
  return {
    next: () => events.next(),
    return: () => {
      left.abort(LEFT);
      return events.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* untilAborted<T>(
  outer: AbortSignal | undefined,
  inner: AbortController,
  begin: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  if (outer?.aborted === true) inner.abort(outer.reason);
  const unwatch =
    outer &&
    watchAbort(outer, () => {
      inner.abort(outer.reason);
    });
  try {
    yield* begin(inner.signal);
  } catch (error) {
    if (inner.signal.reason !== LEFT) throw error;
  } finally {
    unwatch?.();
  }
}

async function* changesOf(
  backend: Backend,
  range: KeyRange,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  throwIf(checkRange(range, backend.limits));
  const { previous = false, progressMs } = options;
  const waitMs = progressMs === undefined ? WAIT_MS : checkTimeoutMs(progressMs, "progressMs");
  const timeoutMs = checkTimeoutMs(options.timeoutMs ?? TIMEOUT_MS_DEFAULT, "timeoutMs");
  let since =
    options.from === undefined
      ? (await lasting(backend, { kind: "bounds" }, timeoutMs, signal)).revision + 1
      : wholeRevision(options.from);
  let caughtUp = false;
  for (;;) {
    const { found } = await lasting(
      backend,
      {
        kind: "changes",
        since,
        ...range,
        previous,
        countMax: PAGE_COUNT_MAX,
        sizeMax: PAGE_SIZE_MAX,
        waitMs: caughtUp ? waitMs : 0,
      },
      timeoutMs,
      signal,
    );
    yield* eventsOf(found.changes.map(keyChangeOf));
    since = found.nextRevision;
    const revision = since - 1;
    if (!found.more && !caughtUp) {
      caughtUp = true;
      yield { kind: "caughtUp", revision };
    } else if (progressMs !== undefined && found.changes.length === 0 && caughtUp) {
      yield { kind: "progress", revision };
    }
  }
}

/** Changes of one revision are one event. */
function* eventsOf(
  changes: readonly ReturnType<typeof keyChangeOf>[],
): Generator<WatchEvent, void, undefined> {
  let start = 0;
  for (let end = 1; end <= changes.length; end += 1) {
    const first = changes[start];
    if (first === undefined || changes[end]?.revision === first.revision) continue;
    const { revision, time } = first;
    yield { kind: "changes", revision, time, changes: changes.slice(start, end) };
    start = end;
  }
}

/** Asks until it is answered, or no node has for `timeoutMs`. */
async function lasting<Q extends Parameters<Backend["query"]>[0]>(
  backend: Backend,
  query: Q,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof backend.query<Q>>>> {
  const waitMs = query.kind === "changes" ? query.waitMs : 0;
  const lostAt = performance.now() + waitMs + timeoutMs;
  for (;;) {
    const leftMs = lostAt - performance.now();
    try {
      const within = Math.max(1, Math.min(waitMs + CONFIRM_MS, leftMs));
      return await backend.query(query, { timeoutMs: within, signal });
    } catch (error) {
      if (!(error instanceof DatabaseError) || !error.retryable || leftMs <= REST_MS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
  }
}
