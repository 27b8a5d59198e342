/** What `log compare` found, as the contract's JSON and as lines. */
import type { Row } from "../codec/block.js";
import type { BlockPlace } from "../storage/offline-log.js";
import type { Comparison, ReplicaLog } from "./compare-logs.js";
import { fatesAt, type Fate, type Verdict } from "./fate.js";
import { checksumText, logLine, logText, type LogLine } from "./log-lines.js";
import type { LogSource } from "./log-source.js";
import { bytesField, grouped, printable } from "./text.js";

/** One replica at the first difference. */
export interface Side extends Verdict {
  readonly name: string;
  readonly nodeId: string;
  readonly term: number | undefined;
  readonly checksum: number | undefined;
  /** where its block stands on disk; undefined when that is not known */
  readonly place: BlockPlace | undefined;
  /** the first command in which it differs from the first replica; undefined when its entry cannot be read */
  readonly row: Row | undefined;
}

type Different = Comparison & { readonly kind: "different" };

const KEY_LENGTH_MAX = 60;

/** The first row of each block in which the blocks differ: the place to look at. */
export function firstDifferingRows(
  blocks: readonly (readonly Row[] | undefined)[],
): readonly (Row | undefined)[] {
  const rowsMax = Math.max(0, ...blocks.map((rows) => rows?.length ?? 0));
  for (let at = 0; at < rowsMax; at += 1) {
    const rows = blocks.map((block) => block?.[at]);
    const [reference, ...others] = rows.map(commandText);
    if (others.some((text) => text !== reference)) return rows;
  }
  // The same commands under another term or time.
  return blocks.map((rows) => rows?.[0]);
}

/** What the row does, without when and after what it does it. */
function commandText(row: Row | undefined): string {
  return row === undefined ? "" : JSON.stringify({ ...logLine(row), time: "", checksum: "" });
}

/** What each replica holds at the first difference, and what will become of it. */
export async function sidesAt(
  comparison: Different,
  sources: readonly LogSource[],
): Promise<readonly Side[]> {
  const { index, points } = comparison;
  const blocks = await Promise.all(sources.map((source) => blockAt(source, index)));
  const rows = firstDifferingRows(blocks);
  const lastTerms = await Promise.all(
    sources.map(async (source) => (await source.checksumAt(source.lastIndex))?.term ?? 0),
  );
  const witnesses = sources.map((source, at) => {
    const { nodeId, clusterId, committedIndex, lastIndex, leads } = source;
    const lastTerm = lastTerms[at] ?? 0;
    return { nodeId, clusterId, point: points[at], committedIndex, lastIndex, lastTerm, leads };
  });
  const verdicts = fatesAt(index, witnesses, await votersOf(sources));
  return sources.map((source, at) => ({
    name: source.name,
    nodeId: source.nodeId,
    term: points[at]?.term,
    checksum: points[at]?.checksum,
    place: source.locate(index),
    row: rows[at],
    ...(verdicts[at] ?? { fate: "unknown", why: "" }),
  }));
}

/** The commands of one entry; undefined when it is not held. */
async function blockAt(source: LogSource, index: number): Promise<readonly Row[] | undefined> {
  for await (const rows of source.blocks(index)) return rows[0]?.index === index ? rows : undefined;
  return undefined;
}

/** The voters, when all logs that name any agree about them. */
async function votersOf(sources: readonly LogSource[]): Promise<readonly string[] | undefined> {
  const lists = await Promise.all(sources.map((source) => source.voters()));
  const [first] = lists;
  return lists.every((list) => list?.join() === first?.join()) ? first : undefined;
}

export function comparisonJson(
  comparison: Comparison,
  logs: readonly ReplicaLog[],
  sides: readonly Side[],
): LogLine {
  return {
    equal: comparison.kind === "equal",
    comparedTo: comparison.comparedTo,
    firstDifference: differenceJson(comparison, sides),
    kind: comparison.kind,
    comparedFrom: comparison.from,
    replicas: logs.map(({ name, firstIndex, lastIndex }) => ({ name, firstIndex, lastIndex })),
  };
}

function differenceJson(comparison: Comparison, sides: readonly Side[]): LogLine | null {
  if (comparison.kind === "state-differs") {
    const { index, names } = comparison;
    return { index, of: "state", replicas: names.map((name) => ({ name })) };
  }
  if (comparison.kind !== "different") return null;
  const { index, after } = comparison;
  const key = sides.find(({ row }) => row !== undefined && row.key.length > 0)?.row?.key;
  return {
    index,
    of: "log",
    orBefore: after !== undefined,
    ...(after === undefined ? {} : { after }),
    ...(key === undefined ? {} : bytesField("key", key)),
    replicas: sides.map(({ name, nodeId, term, checksum, place, row, fate, why }) => ({
      name,
      nodeId,
      term: term ?? null,
      checksum: checksum === undefined ? null : checksumText(checksum),
      file: place?.file ?? null,
      offset: place?.offset ?? null,
      command: row === undefined ? null : logLine(row),
      fate,
      why,
    })),
  };
}

/** One sentence; the failure's message when they are not equal. */
export function comparisonSentence(comparison: Comparison, logs: readonly ReplicaLog[]): string {
  const { comparedTo } = comparison;
  switch (comparison.kind) {
    case "equal":
      return `${logs.length} replicas are equal up to index ${comparedTo}, their last`;
    case "lag": {
      const { behind } = comparison;
      return `the replicas agree up to index ${comparedTo}, where the shortest ends: ${behind.join(", ")} ${behind.length === 1 ? "is" : "are"} behind, nothing differs`;
    }
    case "different": {
      const { index, after } = comparison;
      if (after === undefined) return `the replicas differ from index ${index} on`;
      const since = after === 0 ? "" : `; snapshots of entry ${after} still agree`;
      return `the replicas differ from index ${index} on, or before it: what is older was compacted${since}`;
    }
    case "state-differs":
      return `the logs agree, but the snapshots of entry ${comparison.index} of ${comparison.names.join(", ")} do not hold the same state`;
    case "incomparable":
      return "the replicas hold no index in common: one was compacted beyond the other's end";
  }
}

const FATE_WORDS: Readonly<Record<Fate, string>> = {
  committed: "committed",
  "will-be-kept": "will be kept",
  "will-be-truncated": "will be truncated",
  altered: "altered",
  foreign: "of another cluster",
  unknown: "unknown which side stays",
};

export function comparisonLines(
  comparison: Comparison,
  logs: readonly ReplicaLog[],
  sides: readonly Side[],
): readonly string[] {
  const { from, comparedTo } = comparison;
  const range =
    comparison.kind !== "incomparable" && from > 1
      ? [`  compared from ${grouped(from)} to ${grouped(comparedTo)}, which all of them hold`]
      : [];
  const replicas = logs.map(
    ({ name, firstIndex, lastIndex }) =>
      `  ${name}: ${grouped(firstIndex)} to ${grouped(lastIndex)}`,
  );
  const head = [comparisonSentence(comparison, logs), ...range, ...replicas];
  if (comparison.kind !== "different") return head;
  return [...head, "", ...sides.flatMap((side) => sideLines(side, comparison.index))];
}

function sideLines(side: Side, index: number): readonly string[] {
  const { name, nodeId, term, checksum, place, row, fate, why } = side;
  const held =
    checksum === undefined
      ? "holds nothing"
      : `term ${term ?? "-"}, checksum ${checksumText(checksum)}`;
  const key =
    row === undefined || row.key.length === 0 ? "" : ` ${printable(row.key, KEY_LENGTH_MAX)}`;
  return [
    `  ${name} (node ${nodeId}) at ${index}: ${FATE_WORDS[fate]}`,
    `    ${why}`,
    `    ${held}${row === undefined ? "" : `, ${row.kind.toLowerCase()}${key}`}`,
    ...(place === undefined ? [] : [`    ${place.file} at offset ${place.offset}`]),
    ...(row === undefined ? [] : [`    ${logText(row, true).trim()}`]),
  ];
}
