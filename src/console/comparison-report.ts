/** What `log compare` found, as the contract's JSON and as lines. */
import type { Row } from "../codec/block.js";
import type { Comparison, ReplicaLog } from "./compare-logs.js";
import { checksumText, logLine, type LogLine } from "./log-lines.js";
import type { LogSource } from "./log-source.js";
import { grouped } from "./text.js";

/** One replica at the first difference. */
export interface Side {
  readonly name: string;
  readonly term: number | undefined;
  readonly checksum: number | undefined;
  /** the first command in which it differs from the first replica; undefined when its entry cannot be read */
  readonly row: Row | undefined;
}

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

/** What each replica holds at the first difference. */
export async function sidesAt(
  comparison: Comparison & { readonly kind: "different" },
  sources: readonly LogSource[],
): Promise<readonly Side[]> {
  const blocks = await Promise.all(sources.map((source) => blockAt(source, comparison.index)));
  const rows = firstDifferingRows(blocks);
  return sources.map(({ name }, at) => ({
    name,
    term: comparison.points[at]?.term,
    checksum: comparison.points[at]?.checksum,
    row: rows[at],
  }));
}

/** The commands of one entry; undefined when it is not held. */
async function blockAt(source: LogSource, index: number): Promise<readonly Row[] | undefined> {
  for await (const rows of source.blocks(index)) return rows[0]?.index === index ? rows : undefined;
  return undefined;
}

export function comparisonJson(
  comparison: Comparison,
  logs: readonly ReplicaLog[],
  sides: readonly Side[],
): LogLine {
  return {
    equal: comparison.kind === "equal",
    comparedTo: comparison.comparedTo,
    firstDifference:
      comparison.kind === "different"
        ? {
            index: comparison.index,
            orBefore: comparison.orBefore,
            replicas: sides.map(({ name, term, checksum, row }) => ({
              name,
              term: term ?? null,
              checksum: checksum === undefined ? null : checksumText(checksum),
              command: row === undefined ? null : logLine(row),
            })),
          }
        : null,
    kind: comparison.kind,
    replicas: logs.map(({ name, firstIndex, lastIndex }) => ({ name, firstIndex, lastIndex })),
  };
}

/** One sentence; the failure's message when they are not equal. */
export function comparisonSentence(comparison: Comparison, logs: readonly ReplicaLog[]): string {
  switch (comparison.kind) {
    case "equal":
      return `${logs.length} replicas are equal up to index ${comparison.comparedTo}, their last`;
    case "lag":
      return `the replicas agree up to index ${comparison.comparedTo}, where the shortest ends: ${comparison.behind.join(", ")} ${comparison.behind.length === 1 ? "is" : "are"} behind, nothing differs`;
    case "different":
      return `the replicas differ from index ${comparison.index} on${comparison.orBefore ? ", or before it: what is older was compacted" : ""}`;
    case "incomparable":
      return "the replicas hold no index in common: one was compacted beyond the other's end";
  }
}

export function comparisonLines(
  comparison: Comparison,
  logs: readonly ReplicaLog[],
  sides: readonly Side[],
): readonly string[] {
  const replicas = logs.map(
    ({ name, firstIndex, lastIndex }) =>
      `  ${name}: ${grouped(firstIndex)} to ${grouped(lastIndex)}`,
  );
  if (comparison.kind !== "different") return [comparisonSentence(comparison, logs), ...replicas];
  return [
    comparisonSentence(comparison, logs),
    ...replicas,
    ...sides.map(({ name, term, checksum, row }) => {
      const place =
        checksum === undefined
          ? "holds nothing"
          : `term ${term ?? "-"} checksum ${checksumText(checksum)}`;
      return `  ${name} at ${comparison.index}: ${place}${row === undefined ? "" : ` ${JSON.stringify(logLine(row))}`}`;
    }),
  ];
}
