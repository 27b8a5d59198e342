/**
 * What can go wrong with a disk, and what a node does then: the table of
 * data/README.md as data. fault-table.test.ts brings every row about and sees what
 * comes of it; a row without a case does not compile, one that comes out otherwise fails.
 */

/** What a node does. */
export type Reaction =
  /** it starts or goes on, and has all that it had */
  | "survived"
  /** what nobody was told of is dropped and reported; it starts */
  | "dropped"
  /** CORRUPTION, naming the file; nothing is changed, exit 8 */
  | "refused"
  /** STORAGE_FAILED or WRONG_DIRECTORY at the start, with what to do; nothing is changed */
  | "not started"
  /** the node stops before it answers anything that is not on disk */
  | "stopped"
  /** writes are refused as not applied, what is in the log waits, all goes on by itself */
  | "waited out"
  /** the snapshot's file is removed; the next one is taken when it is due */
  | "given up"
  /** what came is thrown away, and sent again */
  | "asked again"
  /** not found out */
  | "unseen";

interface Fault {
  readonly fault: string;
  readonly reaction: Reaction;
  readonly why: string;
}

/** By a name that says where. */
export const FAULTS = {
  tornTail: {
    fault: "a write at the log's end that reached the disk in part",
    reaction: "dropped",
    why: "no flush of it has ended",
  },
  holeInTail: {
    fault: "the same, with later blocks of the batch whole behind a hole",
    reaction: "dropped",
    why: "no flush of it has ended",
  },
  openBit: {
    fault: "a bit flipped in what was flushed of the open segment",
    reaction: "refused",
    why: "the witness says that it was flushed",
  },
  openSector: {
    fault: "a zeroed sector in what was flushed of the open segment",
    reaction: "refused",
    why: "the witness says that it was flushed",
  },
  openCutAtBlock: {
    fault: "the open segment's end lost, right behind a block",
    reaction: "refused",
    why: "no open segment is shorter than it was made",
  },
  openCutInBlock: {
    fault: "the open segment's end lost, within a block",
    reaction: "refused",
    why: "no open segment is shorter than it was made",
  },
  witness: {
    fault: "one record of the witness damaged",
    reaction: "survived",
    why: "the other says as much as was synced",
  },
  sealedBit: {
    fault: "a bit flipped in a sealed segment",
    reaction: "refused",
    why: "the chain of checksums",
  },
  sealedSector: {
    fault: "a zeroed sector in a sealed segment",
    reaction: "refused",
    why: "the chain of checksums",
  },
  sealedLength: {
    fault: "a bit flipped in the size of a block",
    reaction: "refused",
    why: "the size is bounded before it is believed, and under the checksum",
  },
  sealedHeader: {
    fault: "a bit flipped in a segment's header",
    reaction: "refused",
    why: "a header is what its version writes, byte for byte",
  },
  sealedCut: {
    fault: "a sealed segment's end lost, at whatever byte",
    reaction: "refused",
    why: "its name says its last entry",
  },
  missingMiddle: {
    fault: "a segment of the middle missing",
    reaction: "refused",
    why: "the indexes in the names leave a gap that no snapshot covers",
  },
  missingFirst: {
    fault: "the first segment missing, and no snapshot in its place",
    reaction: "refused",
    why: "the log begins behind entry 1",
  },
  missingLast: {
    fault: "the newest segment removed by hand",
    reaction: "unseen",
    why: "nothing else on this disk names its entries; the other replicas have them",
  },
  foreignSegment: {
    fault: "a segment of another cluster",
    reaction: "refused",
    why: "its header names its cluster",
  },
  misplacedSegment: {
    fault: "a segment under another one's name",
    reaction: "refused",
    why: "its header names its first entry, its last block the last one",
  },
  snapshotBit: {
    fault: "the newest snapshot damaged, and the log goes back far enough",
    reaction: "survived",
    why: "the one before it, or the log alone, gives the same state",
  },
  snapshotNeeded: {
    fault: "the only snapshot damaged, of a log that was compacted",
    reaction: "refused",
    why: "the entries before the log's first are nowhere",
  },
  snapshotPart: {
    fault: "a snapshot damaged on its way from the leader",
    reaction: "asked again",
    why: "the checksum of the whole was announced",
  },
  hardStateOne: {
    fault: "one copy of the hard state damaged or lost",
    reaction: "survived",
    why: "both copies say the same between two writes",
  },
  hardStateBoth: {
    fault: "both copies of the hard state damaged",
    reaction: "refused",
    why: "a node that forgot its vote could vote twice in a term",
  },
  hardStateMissing: {
    fault: "no hard state beside a log",
    reaction: "refused",
    why: "as above",
  },
  identityDamaged: {
    fault: "a bit flipped in identity.json",
    reaction: "refused",
    why: "its checksum",
  },
  identityMissing: {
    fault: "no identity.json beside data",
    reaction: "refused",
    why: "it cannot be told whose it is",
  },
  wrongDirectory: {
    fault: "another node's or cluster's directory, or a later version's",
    reaction: "not started",
    why: "identity.json names them",
  },
  leftovers: {
    fault: "temporary files of a node that was killed",
    reaction: "survived",
    why: "nothing in them has a name yet: they are removed",
  },
  halfRolled: {
    fault: "a power cut amid a roll, which kept the next segment and not the full one's end",
    reaction: "dropped",
    why: "nothing of a segment is told before all in front of it is durable",
  },
  rolledEndLost: {
    fault: "the end lost of a full segment that was flushed, before it was sealed",
    reaction: "refused",
    why: "the next segment's witness says that it was",
  },
  halfSealed: {
    fault: "a stop within the sealing of a segment",
    reaction: "survived",
    why: "its name says what must be in it, and the rest is cut off",
  },
  halfReopened: {
    fault: "a stop while a sealed segment was opened again",
    reaction: "survived",
    why: "nothing is written to the copy before the original is gone",
  },
  halfCompacted: {
    fault: "a power cut amid a compaction, which kept some of the removals",
    reaction: "survived",
    why: "what stands before a gap that the snapshot covers is needless",
  },
  syncFails: {
    fault: "fdatasync fails (EIO), also with ENOSPC",
    reaction: "stopped",
    why: "what it left behind is not known, and a second one would lie",
  },
  writeFails: {
    fault: "a write fails (EIO, EROFS)",
    reaction: "stopped",
    why: "the disk cannot be relied on",
  },
  readFailsAtStart: {
    fault: "a read fails (EIO) in recovery",
    reaction: "not started",
    why: "what cannot be read cannot be judged",
  },
  diskFull: {
    fault:
      "no space on the disk, or none of the quota (ENOSPC, EDQUOT), also after a part of the write",
    reaction: "waited out",
    why: "what was written of it is taken back",
  },
  tooManyFiles: {
    fault: "too many open files (EMFILE, ENFILE)",
    reaction: "waited out",
    why: "what is needed to read is open from the start",
  },
  snapshotFull: {
    fault: "no space for a snapshot",
    reaction: "given up",
    why: "nobody waits for it",
  },
  startFull: {
    fault: "no space at the start, where the open segment must be written anew",
    reaction: "not started",
    why: "a node without a log cannot wait",
  },
  unwritable: {
    fault: "a directory that may not be written (EACCES)",
    reaction: "not started",
    why: "nothing could be kept",
  },
  vanished: {
    fault: "a segment removed while its node runs, and needed",
    reaction: "stopped",
    why: "the log is not what it was",
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;
