/**
 * What a follower costs that was away and comes back under load: throughput of a
 * closed loop, and the latest answer of an open one, with it and without. Rounds
 * alternate, so that both see the same minutes of the machine. The node that comes
 * back shares the processors with the others here, as it would not elsewhere.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/index.js";
import { median } from "../environment.js";
import type { Session } from "../peers/session.js";
import { shapeOf, type PeerSettings } from "../peers/settings.js";
import { loadSystem, startTogether, type SystemLoad } from "../peers/start.js";
import { latenciesOf } from "../run-load.js";
import type { System } from "../systems/system.js";
import type { FigurePart } from "./figure.js";

const POINT = 1000;
const OPEN = { connections: 50, inFlight: 100, rate: 4000 } as const;
/** How long the follower is away, under the closed loop. */
const AWAY_SECONDS = 10;
const AWAY_SECONDS_QUICK = 1;
/** A follower that comes back is measured for as long as this at least. */
const SECONDS_MIN = 5;
const THROUGHPUT_WANTED = 0.8;
const LATER_WANTED = 50;
/** Entries behind the leader: under load it is never level with it. */
const LAG_SMALL = 5000;
const POLL_MS = 50;
const PATIENCE_MS = 120_000;

interface Round {
  readonly calm: number;
  readonly busy: number;
  readonly catchUpMs: number;
}

export const catchUp: FigurePart = {
  name: "catch-up",
  about: "a follower that catches up under load: throughput, and the latest answer",
  async measure(session, settings) {
    await startTogether(session, [], settings.keys);
    const [system] = session.running;
    if (system === undefined) throw new Error("Balsa runs");
    const closed: Round[] = [];
    const open: Round[] = [];
    for (let round = 1; round <= settings.rounds; round += 1) {
      const told = `catch-up, round ${round} of ${settings.rounds}`;
      session.progress(`${told}: closed loop`);
      closed.push(await measureRound(session, system, settings, round, "closed"));
      session.progress(`${told}: open loop`);
      open.push(await measureRound(session, system, settings, round, "open"));
    }
    const shown = (rounds: readonly Round[], digits: number): string =>
      rounds
        .map(({ calm, busy }) => `${busy.toFixed(digits)} and ${calm.toFixed(digits)}`)
        .join("; ");
    const times = [...closed, ...open].map(({ catchUpMs }) => catchUpMs);
    const level = `level after ${(median(times) / 1000).toFixed(1)} s`;
    return [
      {
        what: "throughput while a follower catches up, 1000 in flight, ÷ without",
        relation: "at least",
        wanted: THROUGHPUT_WANTED,
        measured: median(closed.map(({ busy, calm }) => busy / calm)),
        unit: "×",
        remark: `${shown(closed, 0)} a second; ${level}`,
      },
      {
        what: "latest answer while a follower catches up, later than without",
        relation: "at most",
        wanted: LATER_WANTED,
        measured: median(open.map(({ busy, calm }) => busy - calm)),
        unit: " ms",
        remark: `${shown(open, 1)} ms at ${OPEN.rate}/s`,
      },
    ];
  },
};

/** Closed: operations a second; open: the latest answer, in milliseconds. */
async function measureRound(
  session: Session,
  system: System,
  settings: PeerSettings,
  seed: number,
  loop: "closed" | "open",
): Promise<Round> {
  const load: SystemLoad = {
    workload: "put",
    ...(loop === "closed" ? shapeOf(POINT) : OPEN),
    keys: settings.keys,
    warmUpSeconds: settings.warmUpSeconds,
    seconds: Math.max(SECONDS_MIN, settings.seconds),
    seed,
    patienceMs: settings.patienceMs,
  };
  const measure = async (): Promise<number> => {
    const measured = await loadSystem(system, load);
    return loop === "closed" ? measured.opsPerSecond : latenciesOf(measured).summary().max;
  };
  const calm = await measure();
  const leader = await system.leaderPort();
  const [away] = await system.followerPorts();
  if (away === undefined) throw new Error("Balsa has a follower");
  await system.killAt(away);
  await loadSystem(system, {
    ...load,
    ...shapeOf(POINT),
    rate: 0,
    seconds: settings.isQuick ? AWAY_SECONDS_QUICK : AWAY_SECONDS,
    patienceMs: 0,
  });
  session.progress("catch-up: the follower comes back");
  await system.startAt(away);
  const [busy, catchUpMs] = await Promise.all([measure(), untilLevel(leader, away)]);
  return { calm, busy, catchUpMs };
}

/** @returns milliseconds. @throws {Error} when it takes two minutes */
async function untilLevel(leader: number, away: number): Promise<number> {
  const beganMs = performance.now();
  await using database = connect({ endpoints: [`127.0.0.1:${leader}`] });
  while (performance.now() - beganMs < PATIENCE_MS) {
    const status = await database.status().catch(() => undefined);
    const node = status?.nodes.find(({ client }) => client?.endsWith(`:${away}`) === true);
    if (node?.alive === true && (node.lag ?? Number.POSITIVE_INFINITY) < LAG_SMALL) {
      return performance.now() - beganMs;
    }
    await sleep(POLL_MS);
  }
  throw new Error("the follower does not catch up");
}
