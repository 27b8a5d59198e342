/**
 * How long nobody is served when the leader dies: clients of the survivors write at
 * random moments, the leader is killed with `kill -9`, and the longest time between
 * two good answers around it counts. The same load for both systems, with their
 * defaults.
 */
import { connect } from "node:net";
import { median } from "../environment.js";
import { loadSystem, measureApart } from "../peers/start.js";
import { until } from "../systems/server-process.js";
import type { System } from "../systems/system.js";
import type { FigurePart } from "./figure.js";

const KILLS = 10;
const RATE = 1000;
const SECONDS = 5;
const KILL_AFTER_SECONDS = 1;
const KEYS = 1000;

export const failover: FigurePart = {
  name: "failover",
  about: "the longest time without an answer when the leader is killed",
  async measure(session, settings) {
    const kills = settings.isQuick ? 1 : KILLS;
    const { ours, theirs } = await measureApart(session, "etcd", (system) =>
      gapsOf(system, kills, session.progress),
    );
    return [
      {
        what: "failover, largest gap between answers, median",
        relation: "at most",
        wanted: 350,
        measured: median(ours),
        unit: " ms",
        remark: `${told(ours)}; etcd ${theirs === undefined ? "not here" : told(theirs)}`,
      },
      {
        what: "failover, largest gap between answers, worst",
        relation: "at most",
        wanted: 2000,
        measured: Math.max(...ours),
        unit: " ms",
        remark: `of ${ours.length}`,
      },
    ];
  },
};

function told(gaps: readonly number[]): string {
  const sorted = gaps.toSorted((left, right) => left - right).map((gap) => gap.toFixed(0));
  return `${sorted.join(", ")} ms`;
}

async function gapsOf(
  system: System,
  kills: number,
  progress: (line: string) => void,
): Promise<readonly number[]> {
  const gaps: number[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    progress(`failover: ${system.name}, kill ${kill} of ${kills}`);
    const leader = await system.leaderPort();
    const ports = await system.followerPorts();
    let killed: Promise<void> | undefined;
    const measured = await loadSystem(system, {
      workload: "put",
      connections: 8,
      inFlight: 1000,
      rate: RATE,
      keys: KEYS,
      warmUpSeconds: 0.5,
      seconds: SECONDS,
      seed: kill,
      patienceMs: 0,
      ports,
      onSecond: (_, seconds) => {
        if (seconds >= KILL_AFTER_SECONDS) killed ??= system.killAt(leader);
      },
    });
    await killed;
    gaps.push(measured.gapMaxMs);
    await system.startAt(leader);
    // The next kill's clients come to it too.
    await until("the node that was killed", () => listensAt(leader));
    await system.leaderPort();
  }
  return gaps;
}

/** @returns true, or undefined while nobody listens there */
function listensAt(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(undefined);
    });
  });
}
