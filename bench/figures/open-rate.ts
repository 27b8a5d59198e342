/** What users feel at 8000 writes a second that come when they come: the open loop, beside etcd. */
import { median } from "../environment.js";
import type { LatencyMs } from "../latencies.js";
import { rotated } from "../peers/matrix.js";
import { loadSystem, startTogether } from "../peers/start.js";
import { latenciesOf } from "../run-load.js";
import type { SystemName } from "../systems/system.js";
import type { FigurePart } from "./figure.js";

const RATE = 8000;
const CONNECTIONS = 100;
const IN_FLIGHT = 100;
const WANTED = 0.2;

export const openRate: FigurePart = {
  name: "open",
  about: "p99 at 8000 writes a second, open loop",
  async measure(session, settings) {
    await startTogether(session, ["etcd"], settings.keys);
    const rounds: Map<SystemName, LatencyMs>[] = [];
    const late = new Map<SystemName, number>();
    for (let round = 0; round < settings.rounds; round += 1) {
      const here = new Map<SystemName, LatencyMs>();
      for (const system of rotated(session.running, round)) {
        session.progress(`open loop, round ${round + 1} of ${settings.rounds}: ${system.name}`);
        const measured = await loadSystem(system, {
          workload: "put",
          connections: CONNECTIONS,
          inFlight: IN_FLIGHT,
          rate: RATE,
          keys: settings.keys,
          warmUpSeconds: settings.warmUpSeconds,
          seconds: settings.seconds,
          seed: round,
          patienceMs: settings.patienceMs,
        });
        here.set(system.name, latenciesOf(measured).summary());
        const missing = measured.unsent + measured.unanswered;
        late.set(system.name, (late.get(system.name) ?? 0) + missing);
      }
      rounds.push(here);
    }
    const told = (name: SystemName): string => {
      const own = rounds.flatMap((round) => round.get(name) ?? []);
      if (own.length === 0) return `${name} not here`;
      const p50 = median(own.map((one) => one.p50)).toFixed(2);
      const p99 = median(own.map((one) => one.p99)).toFixed(2);
      const missing = late.get(name) ?? 0;
      return `${name} p50 ${p50}, p99 ${p99} ms${missing > 0 ? `, ${missing} too late` : ""}`;
    };
    const ratios = rounds.flatMap((round) => {
      const [own, theirs] = [round.get("balsa"), round.get("etcd")];
      return own === undefined || theirs === undefined ? [] : [own.p99 / theirs.p99];
    });
    return [
      {
        what: "p99 at 8000 writes a second, open loop, ÷ etcd",
        relation: "at most",
        wanted: WANTED,
        measured: ratios.length === 0 ? null : median(ratios),
        unit: "×",
        remark: `${told("balsa")}; ${told("etcd")}`,
      },
    ];
  },
};
