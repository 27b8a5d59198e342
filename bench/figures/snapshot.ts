/**
 * Snapshots of a million keys on all nodes at once, again and again, under load: what
 * users notice (an open loop's p99 and latest answer, a closed loop's throughput, with
 * and without), and how long the loops are held. Rounds alternate, so that both see the
 * same minutes of the machine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../environment.js";
import { connect } from "../../src/index.js";
import { shapeOf, type PeerSettings } from "../peers/settings.js";
import { fillSystem, loadSystem } from "../peers/start.js";
import { latenciesOf } from "../run-load.js";
import { holdsRemark, startWatched, type Holds, type WatchedSystem } from "./holds.js";
import type { Figure, FigurePart } from "./figure.js";

const KEYS = 1_000_000;
const KEYS_QUICK = 20_000;
const OPEN = { connections: 50, inFlight: 100, rate: 4000 } as const;
const POINT = 1000;
const SNAPSHOT_EVERY_MS = 1000;
const SNAPSHOT_TIMEOUT_MS = 60_000;
const P99_WANTED = 1.5;
const LATER_WANTED = 50;
const THROUGHPUT_WANTED = 0.8;
const HOLD_WANTED = 5;

interface Round extends Holds {
  readonly p99Ms: number;
  readonly latestMs: number;
  readonly opsPerSecond: number;
  readonly snapshots: number;
}

type Loop = "open" | "closed";

/** One behind the other, without snapshots and with. */
interface Pair {
  readonly calm: Round;
  readonly busy: Round;
}

export const snapshot: FigurePart = {
  name: "snapshot",
  about: "snapshots of a million keys under load: p99, and how long loops are held",
  async measure(session, settings) {
    const keys = settings.isQuick ? KEYS_QUICK : KEYS;
    using watched = await startWatched(session);
    await fillSystem(session, watched.system, keys);
    const measure = async (loop: Loop): Promise<readonly Pair[]> => {
      const pairs: Pair[] = [];
      for (let round = 1; round <= settings.rounds; round += 1) {
        session.progress(`snapshot: ${loop} loop, round ${round} of ${settings.rounds}`);
        const calm = await measureRound(watched, keys, settings, round, loop, false);
        pairs.push({ calm, busy: await measureRound(watched, keys, settings, round, loop, true) });
      }
      return pairs;
    };
    const open = await measure("open");
    const closed = await measure("closed");
    return figuresOf(open, closed, settings.isQuick ? `only ${keys} keys; ` : "");
  },
};

function figuresOf(open: readonly Pair[], closed: readonly Pair[], quick: string): Figure[] {
  const shown = (pairs: readonly Pair[], of: (round: Round) => string): string =>
    pairs.map(({ calm, busy }) => `${of(busy)} and ${of(calm)}`).join("; ");
  const [held, heldCalm] = [
    longest(open.map(({ busy }) => busy)),
    longest(open.map(({ calm }) => calm)),
  ];
  const count = (pairs: readonly Pair[]): string =>
    `${pairs.reduce((sum, { busy }) => sum + busy.snapshots, 0)} snapshots`;
  return [
    {
      what: "p99 while a million keys are snapshot, ÷ without",
      relation: "at most",
      wanted: P99_WANTED,
      measured: median(open.map(({ busy, calm }) => busy.p99Ms / calm.p99Ms)),
      unit: "×",
      remark: `${quick}${shown(open, ({ p99Ms }) => p99Ms.toFixed(2))} ms at ${OPEN.rate}/s; ${count(open)}`,
    },
    {
      what: "latest answer while a million keys are snapshot, later than without",
      relation: "at most",
      wanted: LATER_WANTED,
      measured: median(open.map(({ busy, calm }) => busy.latestMs - calm.latestMs)),
      unit: " ms",
      remark: `${quick}${shown(open, ({ latestMs }) => latestMs.toFixed(1))} ms`,
    },
    {
      what: "throughput while a million keys are snapshot, 1000 in flight, ÷ without",
      relation: "at least",
      wanted: THROUGHPUT_WANTED,
      measured: median(closed.map(({ busy, calm }) => busy.opsPerSecond / calm.opsPerSecond)),
      unit: "×",
      remark: `${quick}${shown(closed, ({ opsPerSecond }) => opsPerSecond.toFixed(0))} a second; ${count(closed)}`,
    },
    {
      what: "longest hold of a loop while a million keys are snapshot",
      relation: "at most",
      wanted: HOLD_WANTED,
      measured: held.ownMs,
      unit: " ms",
      remark: `${quick}${holdsRemark(held)}; without snapshots ${heldCalm.ownMs.toFixed(1)} (${holdsRemark(heldCalm)})`,
    },
  ];
}

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
  loop: Loop,
  withSnapshots: boolean,
): Promise<Round> {
  const ports = [await system.leaderPort(), ...(await system.followerPorts())];
  const state = { isOver: false };
  const snapshots = withSnapshots ? snapshotAgainAndAgain(ports, state) : Promise.resolve(0);
  const fromMs = Date.now();
  const measured = await loadSystem(system, {
    workload: "put",
    ...(loop === "closed" ? shapeOf(POINT) : OPEN),
    keys,
    warmUpSeconds: settings.warmUpSeconds,
    seconds: settings.seconds,
    seed,
    patienceMs: 0,
  });
  const toMs = Date.now();
  state.isOver = true;
  const latencies = latenciesOf(measured);
  return {
    p99Ms: latencies.atPercentile(99),
    latestMs: latencies.summary().max,
    opsPerSecond: measured.opsPerSecond,
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
