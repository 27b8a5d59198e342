/**
 * Blocks: entries as bytes. A block is an Avro object container file block
 * without its trailing sync marker, which belongs to the segment.
 *
 *   block := count long, size long, row*          varints, zig-zag, canonical
 *   row   := Avro record Row (schema.ts)
 *
 * The first row begins with 0x02 (the union branch) and the four bytes of the
 * checksum: CRC-32, seeded with the previous block's checksum, over count, size
 * and everything after those four bytes. So damage, order and divergence show
 * without decoding a row.
 */
import type {
  Configuration,
  Entry,
  EntryPosition,
  EntrySealer,
  CommandsEntry,
} from "../raft/types.js";
import type { Request } from "../store/command.js";
import type { RowKind } from "./schema.js";

/** No block is larger: count and size are checked against it before anything is allocated. */
export const BLOCK_SIZE_MAX: number = 16 * 1024 * 1024;

/** Makes an entry of requests. @param time milliseconds since 1970, by the leader's clock */
export declare function sealCommands(
  position: EntryPosition,
  time: number,
  requests: readonly Request[],
): CommandsEntry;

/** The core's sealer: `now` gives the leader's clock. */
export declare function entrySealer(now: () => number): EntrySealer;

/** How one can fail to read a block. */
export type BlockFault =
  /** the bytes end before the block does */
  | "truncated"
  /** count, size or the first row cannot be a block's */
  | "malformed"
  /** well-formed, but the checksum differs from what its bytes and predecessor give */
  | "checksum";

export type BlockRead =
  | {
      readonly kind: "entry";
      readonly entry: Entry;
      /** offset behind the block */ readonly end: number;
    }
  | { readonly kind: "fault"; readonly fault: BlockFault; readonly reason: string };

/**
 * Reads one block at `offset`, strictly: canonical varints, bounded sizes, the
 * checksum against `previousChecksum`, index and term within range, every row's
 * extent. The entry's `block` is a view of `bytes`, not a copy.
 */
export declare function readBlock(
  bytes: Uint8Array,
  offset: number,
  previousChecksum: number,
): BlockRead;

/** The requests of a block, in order. @throws {DatabaseError} CORRUPTION when rows do not decode */
export declare function decodeRequests(entry: CommandsEntry): readonly Request[];

/** Members as the `config` row's value, and back. */
export declare function encodeConfiguration(configuration: Configuration): Uint8Array;
export declare function decodeConfiguration(bytes: Uint8Array): Configuration;

/** A row as `log inspect` shows it. */
export interface Row {
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly checksum: number;
  readonly kind: RowKind;
  readonly more: boolean;
  readonly request: Uint8Array;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Every row of a block, with the block's time and checksum filled in. */
export declare function decodeRows(entry: Entry): readonly Row[];

/** One request alone, for the wire (forwarding, native protocol): rows without a block around them. */
export declare function encodeRequest(request: Request): Uint8Array;
/** @throws {DatabaseError} PROTOCOL when the bytes are not one request */
export declare function decodeRequest(bytes: Uint8Array): Request;
