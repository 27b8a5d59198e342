/** How one simulated life is: drawn from its seed, and calm when the storm is over. */
import type { Random } from "./random.js";

/** Rates are chances per unit of time, of the whole or of each node. */
export interface Climate {
  readonly dropRate: number;
  readonly duplicateRate: number;
  readonly delayMax: number;
  /** like one connection per pair; otherwise messages of one moment overtake each other */
  readonly isOrdered: boolean;
  readonly crashRate: number;
  readonly restartRate: number;
  readonly cutRate: number;
  readonly healRate: number;
  readonly flushRate: number;
  readonly stallRate: number;
  readonly proposeRate: number;
  readonly readRate: number;
  readonly breakRate: number;
  /** a node stands still for a while, and its inbox fills */
  readonly pauseRate: number;
  /** snapshots: begun, become durable, put in place; and logs compacted behind them */
  readonly snapshotRate: number;
  readonly snapshotFinishRate: number;
  readonly installRate: number;
  readonly compactRate: number;
  /** somebody changes the members or hands over leadership */
  readonly administrationRate: number;
  readonly wipeRate: number;
}

export function drawClimate(random: Random): Climate {
  return {
    dropRate: random.pick([0, 0.01, 0.1]),
    duplicateRate: random.pick([0, 0.02, 0.1]),
    delayMax: random.pick([1, 2, 4, 12]),
    isOrdered: random.chance(0.3),
    crashRate: random.pick([0, 0.01, 0.03]),
    restartRate: random.pick([0.05, 0.2]),
    cutRate: random.pick([0, 0.02, 0.05]),
    healRate: random.pick([0.02, 0.05, 0.1]),
    flushRate: random.pick([0.3, 0.7, 1]),
    stallRate: random.pick([0, 0.01]),
    proposeRate: random.pick([0.1, 0.4, 1]),
    readRate: random.pick([0.1, 0.5]),
    breakRate: random.pick([0, 0.01]),
    pauseRate: random.pick([0, 0, 0.005, 0.02]),
    snapshotRate: random.pick([0, 0.02, 0.2]),
    snapshotFinishRate: random.pick([0.1, 0.5]),
    installRate: random.pick([0.1, 0.5]),
    compactRate: random.pick([0, 0.05, 0.2]),
    administrationRate: random.pick([0, 0, 0.03, 0.1]),
    wipeRate: random.pick([0, 0, 0.01, 0.03]),
  };
}

/** All is well, and it can be seen. */
export const CALM: Climate = {
  dropRate: 0,
  duplicateRate: 0,
  delayMax: 1,
  isOrdered: true,
  crashRate: 0,
  restartRate: 1,
  cutRate: 0,
  healRate: 1,
  flushRate: 1,
  stallRate: 0,
  proposeRate: 0,
  readRate: 0,
  breakRate: 0,
  pauseRate: 0,
  snapshotRate: 0.02,
  snapshotFinishRate: 1,
  installRate: 1,
  compactRate: 0.1,
  administrationRate: 0,
  wipeRate: 0,
};
