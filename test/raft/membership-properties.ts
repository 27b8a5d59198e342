/** What must hold between one configuration of a log and the next (thesis §4.1, docs/decisions/0005). */
import { must } from "./violation.js";
import type { RaftStatus } from "../../src/raft/ready.js";
import type { Configuration, Entry, NodeId } from "../../src/raft/types.js";
import type { SimulatedNode } from "./cluster.js";
import type { Disk } from "./disk.js";

/** Called for each configuration entry that a disk took in. */
export function checkConfiguration(node: SimulatedNode, entry: Entry, status: RaftStatus): void {
  if (entry.kind !== "configuration") return;
  const { disk, id } = node;
  const before = disk.configurationAt(entry.index - 1);
  checkStep(before.configuration, entry.configuration, `${id} at ${entry.index}`);
  if (status.role !== "leader" || entry.term !== status.term) return;
  must(
    before.configurationIndex <= status.commitIndex,
    "one change at a time",
    () => `${id} at ${entry.index} before ${before.configurationIndex} is committed`,
  );
  must(
    disk.term(status.commitIndex) === status.term,
    "no change before an entry of the own term is committed",
    () => `${id} at ${entry.index}`,
  );
}

function checkStep(before: Configuration, after: Configuration, where: string): void {
  const gone = before.voters.filter((voter) => !after.voters.includes(voter));
  const come = after.voters.filter((voter) => !before.voters.includes(voter));
  must(
    gone.length + come.length <= 1,
    "adjacent configurations differ in one voter",
    () => `${where}: ${before.voters.join(" ")} → ${after.voters.join(" ")}`,
  );
  const members = membersOf(after);
  const left = membersOf(before).filter((member) => !members.includes(member));
  const removed = new Set(after.removed);
  must(
    [...(before.removed ?? []), ...left].every((id) => removed.has(id)),
    "who left is remembered",
    () => where,
  );
  must(!members.some((member) => removed.has(member)), "an id is never used again", () => where);
}

function membersOf({ voters, learners }: Configuration): readonly NodeId[] {
  return [...voters, ...learners];
}

/** The disks of `voter` that a configuration counts: those of the incarnation it means, as far as it knows. */
export function countedDisks(
  configuration: Configuration,
  voter: SimulatedNode,
): readonly { readonly incarnation: string; readonly disk: Disk }[] {
  const recorded = configuration.records?.find(({ id }) => id === voter.id)?.incarnation ?? "";
  const { incarnation, disk } = voter;
  return [{ incarnation, disk }, ...voter.former].filter(
    (life) => recorded === "" || life.incarnation === "" || life.incarnation === recorded,
  );
}

/** A leader that is not counted any more, and knows so, has to go. */
export function checkLeaderCounts({ id, disk }: SimulatedNode, status: RaftStatus): void {
  const { configuration, configurationIndex } = disk.configurationAt(disk.lastIndex);
  must(
    configuration.voters.includes(id) || configurationIndex > status.commitIndex,
    "a leader that was removed leads no longer",
    () => `${id} in ${status.term}`,
  );
}
