/**
 * Which side of a difference stays?
 *
 * Raft leaves traces that prove it, or it cannot be known; nothing is guessed.
 *
 *   | what is known                                             | fate                          |
 *   |-----------------------------------------------------------|-------------------------------|
 *   | a replica's log is of another cluster than most           | foreign                       |
 *   | the same term, other bytes (no Raft makes that)           | altered, the one that differs |
 *   | from all others, where there are three or more; else unknown                              |
 *   | the entry is committed: its node says so, or a snapshot   | committed                     |
 *   | holds it                                                  |                               |
 *   | another side is committed (Leader Completeness, §5.4)     | will be truncated             |
 *   | two sides are committed                                   | altered or unknown            |
 *   | the leader holds it, running                              | will be kept, as long as it   |
 *   |                                                           | leads; the others truncated   |
 *   | all voters are compared, and everyone who can win an      | will be kept; the others      |
 *   | election (§5.4.1) holds this side                         | truncated                     |
 *   | anything else                                             | unknown                       |
 */
import type { LogPoint } from "./compare-logs.js";

export type Fate =
  "committed" | "will-be-kept" | "will-be-truncated" | "altered" | "foreign" | "unknown";

/** What one replica is known to hold, and to be. */
export interface Witness {
  readonly nodeId: string;
  /** undefined when the replica does not tell */
  readonly clusterId: string | undefined;
  /** at the first difference; undefined when it holds nothing there */
  readonly point: LogPoint | undefined;
  /** everything up to here is committed; 0 when nothing is known to be */
  readonly committedIndex: number;
  /** the end of its log */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** whether it leads, as far as it knows */
  readonly leads: boolean;
}

export interface Verdict {
  readonly fate: Fate;
  readonly why: string;
}

/**
 * @param index of the first difference
 * @param witnesses one a replica
 * @param voters ids of all who have a vote; undefined when that is not known for certain
 */
export function fatesAt(
  index: number,
  witnesses: readonly Witness[],
  voters: readonly string[] | undefined,
): readonly Verdict[] {
  return (
    foreignVerdicts(witnesses) ??
    alteredVerdicts(witnesses) ??
    committedVerdicts(index, witnesses) ??
    leaderVerdicts(witnesses) ??
    electionVerdicts(witnesses, voters) ??
    witnesses.map(() => ({ fate: "unknown", why: unknownWhy(witnesses, voters) }))
  );
}

/** Which side of the difference a replica is on. */
function sideOf({ point }: Witness): string {
  return point === undefined ? "" : `${point.term} ${point.checksum}`;
}

function foreignVerdicts(witnesses: readonly Witness[]): readonly Verdict[] | undefined {
  const told = witnesses.flatMap(({ clusterId }) => (clusterId === undefined ? [] : [clusterId]));
  if (new Set(told).size <= 1) return undefined;
  const home = soleMajority(told);
  return witnesses.map(({ clusterId }) => {
    if (clusterId === undefined) return { fate: "unknown", why: "its cluster is not known" };
    const isHome = clusterId === home;
    const why = isHome ? "others are of another cluster" : `it is of cluster ${clusterId}`;
    return { fate: home === undefined || isHome ? "unknown" : "foreign", why };
  });
}

function committedVerdicts(
  index: number,
  witnesses: readonly Witness[],
): readonly Verdict[] | undefined {
  const committed = new Set(
    witnesses.filter(({ committedIndex }) => committedIndex >= index).map(sideOf),
  );
  if (committed.size === 0) return undefined;
  if (committed.size === 1)
    return witnesses.map((witness) =>
      committed.has(sideOf(witness))
        ? { fate: "committed", why: "it is committed: a node or a snapshot has applied it" }
        : { fate: "will-be-truncated", why: "another entry is committed in its place" },
    );
  const why = "different entries are committed in one place: one of these logs was changed";
  return oddOneOut(witnesses, why);
}

function alteredVerdicts(witnesses: readonly Witness[]): readonly Verdict[] | undefined {
  const sides = new Map(
    witnesses.flatMap((witness) =>
      witness.point === undefined ? [] : [[sideOf(witness), witness.point.term] as const],
    ),
  );
  const terms = [...sides.values()];
  if (new Set(terms).size === terms.length) return undefined;
  const why = "the same index and term with other bytes: one of these logs was changed";
  return oddOneOut(witnesses, why);
}

/** Who differs from all others, where most agree; else nobody can say. */
function oddOneOut(witnesses: readonly Witness[], why: string): readonly Verdict[] {
  const home = soleMajority(witnesses.map(sideOf));
  return witnesses.map((witness) => {
    const isOdd = home !== undefined && sideOf(witness) !== home;
    return { fate: isOdd ? "altered" : "unknown", why };
  });
}

function leaderVerdicts(witnesses: readonly Witness[]): readonly Verdict[] | undefined {
  // Of two that believe to lead, the one of the later term does.
  const leaders = witnesses.filter(({ leads }) => leads);
  const lastTerm = Math.max(...leaders.map((leader) => leader.lastTerm));
  const [leader, ...others] = leaders.filter((one) => one.lastTerm === lastTerm);
  if (leader === undefined || others.length > 0) return undefined;
  return keptVerdicts(
    witnesses,
    sideOf(leader),
    `leader ${leader.nodeId} holds it, and keeps it while it leads`,
    `leader ${leader.nodeId} holds another, and replaces it while it leads`,
  );
}

function electionVerdicts(
  witnesses: readonly Witness[],
  voters: readonly string[] | undefined,
): readonly Verdict[] | undefined {
  if (voters === undefined) return undefined;
  const compared = witnesses.filter(({ nodeId }) => voters.includes(nodeId));
  if (new Set(compared.map(({ nodeId }) => nodeId)).size !== voters.length) return undefined;
  if (compared.length !== voters.length) return undefined;
  const quorum = Math.floor(voters.length / 2) + 1;
  const electable = compared.filter(
    (one) => compared.filter((other) => !isNewer(other, one)).length >= quorum,
  );
  const sides = new Set(electable.map(sideOf));
  const [side = "", ...others] = sides;
  if (others.length > 0 || sides.size === 0) return undefined;
  const names = electable.map(({ nodeId }) => nodeId).join(", ");
  return keptVerdicts(
    witnesses,
    side,
    `those who can win an election (${names}) hold it`,
    `those who can win an election (${names}) hold another`,
  );
}

/** Whether `one` would refuse `other` its vote (§5.4.1). */
function isNewer(one: Witness, other: Witness): boolean {
  return (
    one.lastTerm > other.lastTerm ||
    (one.lastTerm === other.lastTerm && one.lastIndex > other.lastIndex)
  );
}

function keptVerdicts(
  witnesses: readonly Witness[],
  side: string,
  whyKept: string,
  whyTruncated: string,
): readonly Verdict[] {
  return witnesses.map((witness) =>
    sideOf(witness) === side
      ? { fate: "will-be-kept", why: whyKept }
      : { fate: "will-be-truncated", why: whyTruncated },
  );
}

function unknownWhy(witnesses: readonly Witness[], voters: readonly string[] | undefined): string {
  if (voters === undefined) return "nothing tells what is committed, nor who the voters are";
  const missing = voters.filter((id) => witnesses.every(({ nodeId }) => nodeId !== id));
  return missing.length === 0
    ? "nothing tells what is committed, and either side can win an election"
    : `nothing tells what is committed; compare with ${missing.join(", ")} too`;
}

/** What more than half of them are; undefined when there is no such thing. */
function soleMajority(values: readonly string[]): string | undefined {
  return values.find(
    (value) => values.filter((other) => other === value).length * 2 > values.length,
  );
}
