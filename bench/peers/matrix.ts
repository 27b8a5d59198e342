/**
 * Every system at every point, round after round, in rotating order: the machine
 * changes from minute to minute, so only what was measured within one round is
 * compared, and nobody always comes first.
 */
import type { System, SystemName } from "../systems/system.js";
import { latenciesOf } from "../run-load.js";
import type { LatencyMs } from "../latencies.js";
import { shapeOf, type PeerSettings } from "./settings.js";
import { loadSystem, type SystemMeasured } from "./start.js";

export type MatrixOperation = "write" | "read";

export interface Measurement extends SystemMeasured {
  readonly system: SystemName;
  readonly operation: MatrixOperation;
  /** requests in flight */
  readonly point: number;
  /** from 1 */
  readonly round: number;
  readonly latencyMs: LatencyMs;
}

export async function measureMatrix(
  systems: readonly System[],
  operation: MatrixOperation,
  settings: PeerSettings,
  progress: (line: string) => void,
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const point of settings.points) {
      for (const system of rotated(systems, round - 1)) {
        progress(
          `${operation}, ${point} in flight, round ${round} of ${settings.rounds}: ${system.name}`,
        );
        const measured = await loadSystem(system, {
          workload: operation === "write" ? "put" : "get",
          ...shapeOf(point),
          keys: settings.keys,
          warmUpSeconds: settings.warmUpSeconds,
          seconds: settings.seconds,
          patienceMs: settings.patienceMs,
          seed: round,
        });
        const latencyMs = latenciesOf(measured).summary();
        measurements.push({ ...measured, system: system.name, operation, point, round, latencyMs });
      }
    }
  }
  progress("");
  return measurements;
}

/** A, B, C; then B, C, A; then C, A, B. */
export function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
