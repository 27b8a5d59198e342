/**
 * Partial partitions: every set of directed links between three nodes, and the
 * families that have hurt others with five (Cloudflare 2020, openraft#2080).
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Simulation } from "./simulation.js";

type Link = readonly [string, string];

/** Long enough for any leader to lose its office and another to find it. */
const SETTLING_TIME = 150;
const COMMIT_TIME = 20;

function allLinks(ids: readonly string[]): Link[] {
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to): Link => [from, to]));
}

/** Whether someone can speak and listen to a majority: only then a leader can lead. */
function canLead(ids: readonly string[], cuts: readonly Link[]): boolean {
  const isCut = new Set(cuts.map(([from, to]) => `${from}>${to}`));
  const both = (a: string, b: string): boolean =>
    !isCut.has(`${a}>${b}`) && !isCut.has(`${b}>${a}`);
  return ids.some((a) => ids.filter((b) => a === b || both(a, b)).length * 2 > ids.length);
}

/** A cluster with a leader loses links, goes on or rightly stands still, and is healed. */
function assertRightly(seed: number, nodeCount: number, cuts: readonly Link[]): void {
  const simulation = new Simulation({ seed, nodeCount, duration: 0 });
  const { cluster } = simulation;
  simulation.drift(60);
  assert.notEqual(cluster.leader(), undefined, "a leader before the links break");
  for (const [from, to] of cuts) cluster.cut(from, to);
  simulation.drift(SETTLING_TIME);
  const ids = cluster.nodes.map(({ id }) => id as string);
  const before = cluster.properties.committedIndex;
  const leader = cluster.leader();
  if (leader !== undefined) cluster.propose(leader, "in the storm");
  simulation.drift(COMMIT_TIME);
  const detail = `seed ${seed}: ${simulation.describe()}`;
  const hasCommitted = cluster.properties.committedIndex > before;
  assert.equal(hasCommitted, canLead(ids, cuts), detail);
  if (!canLead(ids, cuts)) assert.equal(leader, undefined, detail);
  const terms = cluster.nodes.map((node) => node.raft?.status().term ?? 0);
  assert.ok(Math.max(...terms) <= 12, `terms stay small; ${detail}`);
  cluster.heal();
  simulation.settle();
}

describe("raft partial partitions", () => {
  it("of three nodes: each of the 64 sets of directed links serves if any can, and heals", () => {
    const links = allLinks(["1", "2", "3"]);
    for (let mask = 0; mask < 64; mask += 1) {
      const cuts = links.filter((_, i) => (mask & (1 << i)) !== 0);
      for (const seed of [1, 2, 3]) assertRightly(seed, 3, cuts);
    }
  });

  const ids = ["1", "2", "3", "4", "5"];
  const keep = (isKept: (a: number, b: number) => boolean): Link[] =>
    allLinks(ids).filter(([from, to]) => !isKept(Number(from), Number(to)));
  const families: readonly { readonly name: string; readonly cuts: readonly Link[] }[] = [
    { name: "a chain", cuts: keep((a, b) => Math.abs(a - b) === 1) },
    { name: "a ring", cuts: keep((a, b) => [1, 4].includes(Math.abs(a - b))) },
    { name: "a star", cuts: keep((a, b) => a === 3 || b === 3) },
    { name: "a bridge", cuts: keep((a, b) => a === 3 || b === 3 || a < 3 === b < 3) },
    { name: "a one-way ring", cuts: keep((a, b) => b === (a % 5) + 1) },
    { name: "two that are heard but hear nobody", cuts: keep((_a, b) => b > 2) },
    { name: "two that hear but nobody hears", cuts: keep((a) => a > 2) },
    { name: "three that are heard but hear nobody", cuts: keep((_a, b) => b > 3) },
  ];
  for (const { name, cuts } of families) {
    it(`of five nodes: ${name} serves if any can, and heals`, () => {
      for (let seed = 1; seed <= 10; seed += 1) assertRightly(seed, 5, cuts);
    });
  }
});
