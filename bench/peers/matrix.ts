/**
 * Every system at every point, round after round, in rotating order: the machine
 * changes from minute to minute, so only what was measured within one round is
 * compared, and nobody always comes first.
 */
import type { SystemName } from "../systems/system.js";
import { latenciesOf } from "../run-load.js";
import type { LatencyMs } from "../latencies.js";
import { grouped } from "../../src/console/text.js";
import type { Session } from "./session.js";
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

/** Of all systems that run. Says what came of each round. */
export async function measureMatrix(
  session: Pick<Session, "running" | "say" | "progress">,
  operation: MatrixOperation,
  settings: PeerSettings,
): Promise<readonly Measurement[]> {
  await warmUp(session, operation, settings);
  const measurements: Measurement[] = [];
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const point of settings.points) {
      for (const system of rotated(session.running, round - 1)) {
        const what = `${operation}, ${point} in flight, round ${round} of ${settings.rounds}: ${system.name}`;
        session.progress(what);
        const measured = await loadSystem(system, {
          ...loadAt(operation, point, settings),
          seconds: settings.seconds,
          patienceMs: settings.patienceMs,
          seed: round,
          onSecond: (operations, seconds) => {
            session.progress(`${what}, ${grouped(Math.round(operations / seconds))}/s`);
          },
        });
        const latencyMs = latenciesOf(measured).summary();
        measurements.push({ ...measured, system: system.name, operation, point, round, latencyMs });
      }
    }
    session.progress("");
    session.say(roundLine(measurements.filter((one) => one.round === round)));
  }
  return measurements;
}

/**
 * Every system at every point, for as long as Node needs to compile what it runs: a server that was just
 * started takes twice the processor time of one that has served some hundred thousand requests.
 */
async function warmUp(
  { running, progress }: Pick<Session, "running" | "progress">,
  operation: MatrixOperation,
  settings: PeerSettings,
): Promise<void> {
  for (const point of settings.points) {
    for (const system of running) {
      progress(`${operation}, ${point} in flight, before the first round: ${system.name}`);
      const load = loadAt(operation, point, settings);
      await loadSystem(system, {
        ...load,
        seconds: settings.compileSeconds,
        patienceMs: 0,
        seed: 0,
      });
    }
  }
  progress("");
}

function loadAt(operation: MatrixOperation, point: number, settings: PeerSettings) {
  return {
    workload: operation === "write" ? "put" : "get",
    ...shapeOf(point),
    keys: settings.keys,
    warmUpSeconds: settings.warmUpSeconds,
  } as const;
}

/** What one round measured, in a line: so many in flight, and the operations a second of each system. */
function roundLine(measurements: readonly Measurement[]): string {
  const points = [...new Set(measurements.map(({ point }) => point))].map((point) => {
    const here = measurements.filter((one) => one.point === point);
    const rates = here.map((one) => `${one.system} ${grouped(one.opsPerSecond)}`);
    return `${point}: ${rates.join(", ")}`;
  });
  const { operation = "", round = 0 } = measurements[0] ?? {};
  return `${operation}, round ${round}, operations a second at ${points.join("; ")}`;
}

/** A, B, C; then B, C, A; then C, A, B. */
export function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
