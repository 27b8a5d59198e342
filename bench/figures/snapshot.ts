/**
 * Snapshots of a million keys on all nodes at once, under load: what users notice
 * (an open loop's p99 with and without), and how long the loops are held. Rounds
 * alternate, so that both see the same minutes of the machine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../environment.js";
import { fillSystem, loadSystem } from "../peers/start.js";
import { latenciesOf } from "../run-load.js";
import { connect } from "../../src/index.js";
import type { PeerSettings } from "../peers/settings.js";
import { holdsRemark, startWatched, type Holds, type WatchedSystem } from "./holds.js";
import type { FigurePart } from "./figure.js";

const KEYS = 1_000_000;
const KEYS_QUICK = 20_000;
const RATE = 4000;
const CONNECTIONS = 50;
const IN_FLIGHT = 100;
const SNAPSHOT_EVERY_MS = 1000;
const SNAPSHOT_TIMEOUT_MS = 60_000;
const P99_WANTED = 1.5;
const HOLD_WANTED = 5;

interface Round extends Holds {
  readonly p99Ms: number;
  readonly snapshots: number;
}

export const snapshot: FigurePart = {
  name: "snapshot",
  about: "snapshots of a million keys under load: p99, and how long loops are held",
  async measure(session, settings) {
    const keys = settings.isQuick ? KEYS_QUICK : KEYS;
    using watched = await startWatched(session);
    await fillSystem(session, watched.system, keys);
    const calm: Round[] = [];
    const busy: Round[] = [];
    for (let round = 1; round <= settings.rounds; round += 1) {
      session.progress(`snapshot: round ${round} of ${settings.rounds}`);
      calm.push(await measureRound(watched, keys, settings, round, false));
      busy.push(await measureRound(watched, keys, settings, round, true));
    }
    const ratios = busy.map(({ p99Ms }, at) => p99Ms / (calm[at]?.p99Ms ?? Number.NaN));
    const quick = settings.isQuick ? `only ${keys} keys; ` : "";
    const p99 = (rounds: readonly Round[]): string =>
      median(rounds.map(({ p99Ms }) => p99Ms)).toFixed(2);
    const held = longest(busy);
    const count = busy.reduce((sum, { snapshots }) => sum + snapshots, 0);
    return [
      {
        what: "p99 while a million keys are snapshot, ÷ without",
        relation: "at most",
        wanted: P99_WANTED,
        measured: median(ratios),
        unit: "×",
        remark: `${quick}${p99(busy)} ÷ ${p99(calm)} ms at ${RATE}/s; ${count} snapshots`,
      },
      {
        what: "longest hold of a loop while a million keys are snapshot",
        relation: "at most",
        wanted: HOLD_WANTED,
        measured: held.ownMs,
        unit: " ms",
        remark: `${quick}${holdsRemark(held)}; without snapshots ${longest(calm).ownMs.toFixed(1)} (${holdsRemark(longest(calm))})`,
      },
    ];
  },
};

/** Of all rounds. */
function longest(rounds: readonly Holds[]): Holds {
  const of = (one: keyof Holds): number => Math.max(...rounds.map((round) => round[one]));
  return {
    heldMs: of("heldMs"),
    ownMs: of("ownMs"),
    ranMs: of("ranMs"),
    collectedMs: of("collectedMs"),
    idleMs: of("idleMs"),
  };
}

async function measureRound(
  { system, holds }: WatchedSystem,
  keys: number,
  settings: PeerSettings,
  seed: number,
  withSnapshots: boolean,
): Promise<Round> {
  const ports = [await system.leaderPort(), ...(await system.followerPorts())];
  const state = { isOver: false };
  const snapshots = withSnapshots ? snapshotAgainAndAgain(ports, state) : Promise.resolve(0);
  const fromMs = Date.now();
  const measured = await loadSystem(system, {
    workload: "put",
    connections: CONNECTIONS,
    inFlight: IN_FLIGHT,
    rate: RATE,
    keys,
    warmUpSeconds: settings.warmUpSeconds,
    seconds: settings.seconds,
    seed,
    patienceMs: 0,
  });
  const toMs = Date.now();
  state.isOver = true;
  return {
    p99Ms: latenciesOf(measured).atPercentile(99),
    snapshots: await snapshots,
    ...holds(fromMs, toMs),
  };
}

/** On every node, one a second, until it is over. @returns how many were made */
async function snapshotAgainAndAgain(
  ports: readonly number[],
  state: { readonly isOver: boolean },
): Promise<number> {
  const counts = await Promise.all(
    ports.map(async (port) => {
      await using database = connect({
        endpoints: [`127.0.0.1:${port}`],
        timeoutMs: SNAPSHOT_TIMEOUT_MS,
      });
      let count = 0;
      for (; !state.isOver; count += 1) {
        const nextMs = performance.now() + SNAPSHOT_EVERY_MS;
        await database.saveSnapshot();
        await sleep(Math.max(0, nextMs - performance.now()));
      }
      return count;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
