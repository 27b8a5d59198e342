/**
 * Shrinking: from a life that fails to the shortest and quietest one that still
 * fails in the same way, by leaving things out and living it again.
 *
 * Deeds are left out by halves, then by quarters, down to one by one (Zeller's
 * delta debugging); time, clients and the network's own faults are tried before.
 */
import {
  DURATION_MS,
  simulate,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.js";

/** Within so much of the shortest time under faults that was tried in vain. Milliseconds. */
const DURATION_STEP_MS = 20;

export interface Shrunk {
  /** lives the shrunk life: `simulate(options)` fails as the first one did */
  readonly options: SimulationOptions;
  readonly result: SimulationResult;
  /** lives that were lived for it */
  readonly lifeCount: number;
}

/** What failed, without the particulars of one life: the first line up to its first figure. */
function failureKind({ failure }: SimulationResult): string | undefined {
  return failure?.message.split("\n")[0]?.replace(/[0-9].*$/, "");
}

/**
 * @param options of a life that fails
 * @param lifeCountMax lives to spend at most
 */
export function shrink(options: SimulationOptions, lifeCountMax = 200): Shrunk {
  const first = simulate(options);
  const kind = failureKind(first);
  let best: Shrunk = { options, result: first, lifeCount: 1 };
  let lifeCount = 1;
  if (kind === undefined) return best;
  const attempt = (changes: Partial<SimulationOptions>): boolean => {
    if (lifeCount >= lifeCountMax) return false;
    lifeCount += 1;
    const tried = { ...best.options, ...changes };
    const result = simulate(tried);
    if (failureKind(result) !== kind) return false;
    best = { options: tried, result, lifeCount };
    return true;
  };
  const leaveOut = (names: readonly string[]): boolean =>
    attempt({ leftOut: [...(best.options.leftOut ?? []), ...names] });

  /** Halves the time under faults, then a half of what was taken away is given back, and so on. */
  const shorten = (): void => {
    const durationMs = best.options.durationMs ?? DURATION_MS;
    // It need not go on for longer than until it failed; what comes after the faults does not count.
    const failedAt = Math.ceil(best.result.simulatedMs);
    if (failedAt < durationMs) attempt({ durationMs: failedAt });
    let tooShort = 0;
    for (;;) {
      const { durationMs: shortest = DURATION_MS } = best.options;
      if (shortest - tooShort <= DURATION_STEP_MS) return;
      const half = Math.floor((shortest + tooShort) / 2);
      if (!attempt({ durationMs: half })) tooShort = half;
    }
  };

  shorten();
  leaveOut(["network"]);
  leaveOut(["frozen"]);
  for (let clients = 1; clients <= 4; clients *= 2) if (attempt({ clientCountMax: clients })) break;
  for (let size = Math.ceil(best.result.deeds.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.result.deeds.length && lifeCount < lifeCountMax;) {
      // What was left out is gone from `deeds`: the next ones stand in its place.
      if (!leaveOut(best.result.deeds.slice(at, at + size))) at += size;
    }
  }
  // With less in it, it may need less time.
  shorten();
  return { ...best, lifeCount };
}

/** The one command that lives a life again. */
export function replayCommand({
  seed,
  nodeCount,
  durationMs,
  leftOut,
  clientCountMax,
  emphasis,
}: SimulationOptions): string {
  return [
    `npm run simulate -- --from ${seed} --seeds 1`,
    ...(nodeCount === undefined ? [] : [`--nodes ${nodeCount}`]),
    ...(durationMs === undefined ? [] : [`--duration ${durationMs}`]),
    ...(clientCountMax === undefined ? [] : [`--clients ${clientCountMax}`]),
    ...(leftOut === undefined || leftOut.length === 0 ? [] : [`--without ${leftOut.join(",")}`]),
    ...(emphasis === undefined || emphasis.length === 0 ? [] : [`--with ${emphasis.join(",")}`]),
  ].join(" ");
}
