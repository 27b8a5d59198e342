/** What a million keys cost in throughput: a cluster with few keys beside one with many, round after round. */
import path from "node:path";
import { median } from "../environment.js";
import { shapeOf, type PeerSettings } from "../peers/settings.js";
import { fillSystem, loadSystem, startOwn } from "../peers/start.js";
import type { System } from "../systems/system.js";
import type { Figure, FigurePart } from "./figure.js";

const FEW = 10_000;
const MANY = 1_000_000;
const MANY_QUICK = 50_000;
const POINT = 1000;
const WANTED = 0.85;

interface Sized {
  readonly system: System;
  readonly keys: number;
}

export const growth: FigurePart = {
  name: "growth",
  about: "throughput with a million keys beside that with few",
  async measure(session, settings) {
    const sizes = [FEW, settings.isQuick ? MANY_QUICK : MANY];
    const clusters: Sized[] = [];
    for (const keys of sizes) {
      const system = await startOwn(path.join(session.directory, String(keys)));
      session.running.push(system);
      session.progress(`growth: setting ${keys} keys`);
      await fillSystem(system, keys);
      clusters.push({ system, keys });
    }
    const figures: Figure[] = [];
    for (const workload of ["put", "get"] as const) {
      const ratios: number[] = [];
      const rates: string[] = [];
      for (let round = 1; round <= settings.rounds; round += 1) {
        session.progress(`growth: ${workload}, round ${round} of ${settings.rounds}`);
        const { few, many } = await measureRound(clusters, workload, settings, round);
        ratios.push(many / few);
        rates.push(`${many} ÷ ${few}`);
      }
      figures.push({
        what: `${workload} with a million keys, 1000 in flight, ÷ with few`,
        relation: "at least",
        wanted: WANTED,
        measured: median(ratios),
        unit: "×",
        remark: `${settings.isQuick ? `only ${MANY_QUICK} keys; ` : ""}${rates.join("; ")}`,
      });
    }
    return figures;
  },
};

async function measureRound(
  clusters: readonly Sized[],
  workload: "put" | "get",
  settings: PeerSettings,
  round: number,
): Promise<{ readonly few: number; readonly many: number }> {
  const rates = new Map<number, number>();
  for (const { system, keys } of round % 2 === 1 ? clusters : clusters.toReversed()) {
    const { opsPerSecond } = await loadSystem(system, {
      workload,
      ...shapeOf(POINT),
      keys,
      warmUpSeconds: settings.warmUpSeconds,
      seconds: settings.seconds,
      seed: round,
      patienceMs: settings.patienceMs,
    });
    rates.set(keys, opsPerSecond);
  }
  const [few = Number.NaN, many = Number.NaN] = clusters.map(({ keys }) => rates.get(keys));
  return { few, many };
}
