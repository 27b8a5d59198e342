/** Writes through the client port of a node that does not lead, beside the leader's. */
import { median } from "../environment.js";
import { loadSystem, startOwn } from "../peers/start.js";
import { shapeOf } from "../peers/settings.js";
import type { FigurePart } from "./figure.js";

const POINT = 100;
const WANTED = 0.6;

export const follower: FigurePart = {
  name: "follower",
  about: "writes through a follower's client port beside the leader's",
  async measure(session, settings) {
    const own = await startOwn(session);
    const ratios: number[] = [];
    const rates: string[] = [];
    for (let round = 1; round <= settings.rounds; round += 1) {
      const ofRound = new Map<string, number>();
      const through = ["leader", "follower"];
      for (const where of round % 2 === 1 ? through : through.toReversed()) {
        session.progress(`follower, round ${round} of ${settings.rounds}: through the ${where}`);
        const leader = await own.leaderPort();
        const [other = leader] = await own.followerPorts();
        const { opsPerSecond } = await loadSystem(own, {
          workload: "put",
          ...shapeOf(POINT),
          keys: settings.keys,
          warmUpSeconds: settings.warmUpSeconds,
          seconds: settings.seconds,
          seed: round,
          patienceMs: settings.patienceMs,
          ports: [where === "leader" ? leader : other],
        });
        ofRound.set(where, opsPerSecond);
      }
      const [leader = Number.NaN, other = Number.NaN] = through.map((one) => ofRound.get(one));
      ratios.push(other / leader);
      rates.push(`${other} ÷ ${leader}`);
    }
    return [
      {
        what: "through a follower's client port, 100 in flight, ÷ the leader's",
        relation: "at least",
        wanted: WANTED,
        measured: median(ratios),
        unit: "×",
        remark: rates.join("; "),
      },
    ];
  },
};
