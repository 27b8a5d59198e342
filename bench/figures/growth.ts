/**
 * What age and size cost in throughput: a cluster with few keys beside one with a
 * million, and beside one that has written ten million entries over the same few
 * keys, round after round. The one with few has run too when they are compared: what
 * is not compiled yet would make it slow, and the other one look good. What size alone
 * costs on this machine, the ceiling says: the same pair of it, in the same rounds.
 */
import path from "node:path";
import { grouped } from "../../src/console/text.js";
import { median } from "../environment.js";
import type { Session } from "../peers/session.js";
import { shapeOf, type PeerSettings } from "../peers/settings.js";
import { fillSystem, loadSystem, startOwn, startPeer } from "../peers/start.js";
import type { System } from "../systems/system.js";
import type { Figure, FigurePart } from "./figure.js";

const FEW = 10_000;
const MANY = 1_000_000;
const MANY_QUICK = 50_000;
const ENTRIES = 10_000_000;
const ENTRIES_QUICK = 100_000;
/** Of one piece of the writes that make a cluster old. */
const AGING_SECONDS = 10;
/** Of the entries, a part that the young cluster writes too: its code is compiled as the other's is. */
const WARM_PART = 20;
const POINT = 1000;
const WANTED = 0.85;

interface Sized {
  readonly system: System;
  readonly keys: number;
}

/** A young cluster with few keys, and the other. */
type Pair = readonly [young: Sized, grown: Sized];

export const growth: FigurePart = {
  name: "growth",
  about: "throughput with a million keys beside that with few",
  async measure(session, settings) {
    const many = settings.isQuick ? MANY_QUICK : MANY;
    const pair = [await startSized(session, FEW), await startSized(session, many)] as const;
    await writeEntries(session, pair[0], many);
    const ceiling = [
      await startCeilings(session, FEW),
      await startCeilings(session, many),
    ] as const;
    await writeEntries(session, ceiling[0], many);
    const quick = settings.isQuick ? `only ${grouped(many)} keys; ` : "";
    const what = "with a million keys, 1000 in flight, ÷ with few";
    return [
      await compare(session, settings, { pair, ceiling }, "put", what, quick),
      await compare(session, settings, { pair, ceiling }, "get", what, quick),
    ];
  },
};

export const age: FigurePart = {
  name: "age",
  about: "throughput after ten million entries beside that of a new cluster",
  async measure(session, settings) {
    const entries = settings.isQuick ? ENTRIES_QUICK : ENTRIES;
    const old = await startSized(session, FEW);
    await writeEntries(session, old, entries);
    const pair = [await startSized(session, FEW, "young"), old] as const;
    await writeEntries(session, pair[0], entries / WARM_PART);
    const quick = settings.isQuick ? `only ${grouped(entries)} entries; ` : "";
    const what = "after ten million entries, 1000 in flight, ÷ of a new cluster";
    return [
      await compare(session, settings, { pair }, "put", what, quick),
      await compare(session, settings, { pair }, "get", what, quick),
    ];
  },
};

async function startSized(session: Session, keys: number, place = String(keys)): Promise<Sized> {
  const system = await startOwn(session, { place });
  await fillSystem(session, system, keys);
  return { system, keys };
}

async function startCeilings(session: Session, keys: number): Promise<Sized> {
  const directory = path.join(session.directory, `of-${keys}`);
  const system = await startPeer({ ...session, directory }, "ceiling");
  if (system === undefined) throw new Error("the ceiling is part of the bench");
  await fillSystem(session, system, keys);
  return { system, keys };
}

async function writeEntries(
  session: Session,
  { system, keys }: Sized,
  entries: number,
): Promise<void> {
  let written = keys;
  for (let piece = 0; written < entries; piece += 1) {
    session.progress(`${system.name}: ${grouped(written)} of ${grouped(entries)} entries written`);
    const { operations, firstError } = await loadSystem(system, {
      workload: "put",
      ...shapeOf(POINT),
      keys,
      warmUpSeconds: 0,
      seconds: AGING_SECONDS,
      seed: piece,
      patienceMs: 0,
      onSecond: (done) => {
        session.progress(
          `${system.name}: ${grouped(written + done)} of ${grouped(entries)} entries written`,
        );
      },
    });
    if (operations === 0) throw new Error(firstError ?? "nothing was written");
    written += operations;
  }
}

interface Compared {
  readonly pair: Pair;
  /** what size costs where there is nothing else */
  readonly ceiling?: Pair;
}

async function compare(
  session: Session,
  settings: PeerSettings,
  { pair, ceiling }: Compared,
  workload: "put" | "get",
  what: string,
  quick: string,
): Promise<Figure> {
  const ratios: number[] = [];
  const ceilingRatios: number[] = [];
  const rates: string[] = [];
  for (let round = 1; round <= settings.rounds; round += 1) {
    session.progress(`${workload} ${what}, round ${round} of ${settings.rounds}`);
    const { young, grown } = await measureRound(pair, workload, settings, round);
    ratios.push(grown / young);
    rates.push(`${grown} ÷ ${young}`);
    if (ceiling === undefined) continue;
    const bare = await measureRound(ceiling, workload, settings, round);
    ceilingRatios.push(bare.grown / bare.young);
  }
  const bare = ceiling === undefined ? "" : `; the ceiling ${spread(ceilingRatios)}`;
  return {
    what: `${workload} ${what}`,
    relation: "at least",
    wanted: WANTED,
    measured: median(ratios),
    unit: "×",
    remark: `${quick}${rates.join("; ")}${bare}`,
  };
}

function spread(ratios: readonly number[]): string {
  const [least, greatest] = [Math.min(...ratios), Math.max(...ratios)];
  return `${median(ratios).toFixed(2)}× [${least.toFixed(2)} .. ${greatest.toFixed(2)}]`;
}

/** Operations a second of each, in turns of who is first. */
async function measureRound(
  pair: Pair,
  workload: "put" | "get",
  settings: PeerSettings,
  round: number,
): Promise<{ readonly young: number; readonly grown: number }> {
  const rates = new Map<Sized, number>();
  for (const sized of round % 2 === 1 ? pair : pair.toReversed()) {
    const { opsPerSecond } = await loadSystem(sized.system, {
      workload,
      ...shapeOf(POINT),
      keys: sized.keys,
      warmUpSeconds: settings.warmUpSeconds,
      seconds: settings.seconds,
      seed: round,
      patienceMs: settings.patienceMs,
    });
    rates.set(sized, opsPerSecond);
  }
  const [young = Number.NaN, grown = Number.NaN] = pair.map((sized) => rates.get(sized));
  return { young, grown };
}
