/**
 * The tail of a log: the segments that were not sealed when their node stopped. All but
 * the last one are full; of the last ones any part may be missing, whole names too, for
 * nothing that stands in one is told of before all in front of it is durable
 * (rolled-segments.ts).
 *
 * The first of them stands behind a sealed one, or nothing: its header and its name were
 * durable early, and its own witness judges it (witness.ts). Behind an open one:
 *
 *   | the log in front of it        | its witness     | verdict                         |
 *   |-------------------------------|-----------------|---------------------------------|
 *   | is whole, and it chains to it | has any record  | goes on; its witness judges it  |
 *   | is whole, and it chains to it | has none        | torn where its good blocks end  |
 *   | is whole, its header is bad   | does not vouch  | unflushed                       |
 *   | is torn, or ends before it    | does not vouch  | unflushed                       |
 *   | is torn, or ends before it    | vouches         | corrupt                         |
 *   | anything else                 |                 | corrupt                         |
 *
 * Unflushed: it is dropped, and what follows it too; nobody was told of it. A witness
 * vouches with its first record of a flush, which says that all in front of the segment
 * is durable; a sealed segment does so with its name. A bad header is held against the
 * witness as any block is, when what stands in front tells how it must be.
 */
import { LogIndex } from "../raft/types.js";
import type { SegmentName } from "./segment.js";
import type { ScanFault } from "./segment-scanner.js";
import {
  chainFault,
  predecessorOf,
  type OpenBefore,
  type SegmentRead,
  type SegmentResult,
} from "./segment-reading.js";

/** A segment that is dropped. */
export interface Unflushed<Name> {
  readonly name: Name;
  readonly fault: ScanFault;
  /** of what may have been blocks */
  readonly byteCount: number;
}

interface LogTail<Name> {
  /** those that are the log, as far as this can tell */
  readonly kept: readonly Name[];
  /** oldest first */
  readonly unflushed: readonly Unflushed<Name>[];
  /** what cannot be: damage */
  readonly misfit: { readonly name: SegmentName; readonly fault: ScanFault } | undefined;
}

/**
 * Tells which of a log's segments were never flushed. Reads nothing when no segment
 * stands behind an open one; what else is wrong with those that are kept is for the
 * caller to see.
 *
 * @param names in order
 * @param read gives undefined for a segment that is gone
 */
export function judgeLogTail<Name extends SegmentName>(
  names: readonly Name[],
  read: (name: Name, before: OpenBefore | undefined) => SegmentResult | undefined,
): LogTail<Name> {
  const asItIs = { kept: names, unflushed: [], misfit: undefined };
  const first = names.findIndex(({ kind }) => kind === "open");
  if (first === -1 || first === names.length - 1) return asItIs;
  const kept = names.slice(0, first);
  const unflushed: Unflushed<Name>[] = [];
  let last: SegmentRead | undefined;
  for (const name of names.slice(first)) {
    const end = unflushed[0] ?? endOf(last);
    const result = read(name, end === undefined ? openBefore(last) : { start: undefined });
    if (result === undefined) return asItIs;
    const misfit = last?.name.kind === "open" ? misfitBehind(last, end, name, result) : undefined;
    if (misfit?.isUnflushed === false) return { kept, unflushed, misfit };
    if (misfit !== undefined) {
      unflushed.push({ name, fault: misfit.fault, byteCount: byteCountOf(result) });
      continue;
    }
    // damage, which the caller finds too
    if (result.kind === "headless" || result.segment.damage?.torn === false) return asItIs;
    kept.push(name);
    last = result.segment;
  }
  return { kept, unflushed, misfit: undefined };
}

/** What readSegment must know of the segment in front, which is whole. */
export function openBefore(last: SegmentRead | undefined): OpenBefore | undefined {
  if (last?.name.kind !== "open") return undefined;
  const { clusterId, lastIndex, checksum, term } = predecessorOf(last.index);
  const firstIndex = LogIndex(lastIndex + 1);
  return { start: { clusterId, firstIndex, previousChecksum: checksum, previousTerm: term } };
}

/** Where a log ends before its last segment, and why. */
interface End {
  readonly name: SegmentName;
  readonly fault: ScanFault;
}

interface Misfit extends End {
  readonly isUnflushed: boolean;
}

function endOf(last: SegmentRead | undefined): End | undefined {
  return last?.damage === undefined ? undefined : { name: last.name, fault: last.damage };
}

/** Why a segment cannot follow an open one: see the table above. */
function misfitBehind(
  last: SegmentRead,
  end: End | undefined,
  name: SegmentName,
  result: SegmentResult,
): Misfit | undefined {
  const vouches = result.kind === "headless" ? result.vouches : result.segment.vouches;
  const faultOf = (reason: string): ScanFault => ({
    ...{ offset: 0, index: LogIndex(name.firstIndex), reason },
  });
  if (end !== undefined && vouches) {
    const reason = `${end.fault.reason}; but ${name.name} was flushed behind it`;
    const { offset, index } = end.fault;
    return { name: end.name, fault: { offset, index, reason }, isUnflushed: false };
  }
  if (end !== undefined) {
    return { name, fault: faultOf("what stands before it was never flushed"), isUnflushed: true };
  }
  if (result.kind === "headless") return { name, fault: result.fault, isUnflushed: result.torn };
  const { start } = result.segment.index;
  const broken = chainFault(start, predecessorOf(last.index));
  if (broken === undefined) return undefined;
  const isGap = start.firstIndex > last.index.lastIndex + 1;
  return { name, fault: faultOf(broken), isUnflushed: isGap && !vouches };
}

function byteCountOf(result: SegmentResult): number {
  if (result.kind === "headless") return result.tornByteCount;
  const { index, damage } = result.segment;
  return index.end + (damage?.tornByteCount ?? 0);
}
