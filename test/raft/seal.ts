/** Entries for tests: a payload of text, chained by checksum like the real ones. */
import { NodeId } from "../../src/raft/types.js";
import type {
  CommandsEntry,
  Configuration,
  ConfigurationEntry,
  EntryPosition,
  EntrySealer,
  NoopEntry,
} from "../../src/raft/types.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** FNV-1a over the predecessor's checksum, the position and the payload. */
function chain(position: EntryPosition, block: Uint8Array): number {
  let hash = 0x811c9dc5 ^ position.previousChecksum;
  const mix = (byte: number): void => {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  };
  for (const number of [position.index, position.term]) {
    for (let shift = 0; shift < 32; shift += 8) mix((number >>> shift) & 0xff);
  }
  for (const byte of block) mix(byte);
  return hash >>> 0;
}

export function sealCommands(position: EntryPosition, payload: string): CommandsEntry {
  const block = encoder.encode(payload);
  const { index, term } = position;
  return { kind: "commands", index, term, checksum: chain(position, block), block };
}

export function payloadOf(entry: { readonly block: Uint8Array }): string {
  return decoder.decode(entry.block);
}

export const testSealer: EntrySealer = {
  noop(position): NoopEntry {
    const block = encoder.encode("noop");
    const { index, term } = position;
    return { kind: "noop", index, term, checksum: chain(position, block), block };
  },
  configuration(position, configuration): ConfigurationEntry {
    const block = encoder.encode(JSON.stringify(configuration));
    const { index, term } = position;
    const checksum = chain(position, block);
    return { kind: "configuration", index, term, checksum, block, configuration };
  },
};

/** Voters named 1 to `count`. */
export function voters(count: number): Configuration {
  return { voters: Array.from({ length: count }, (_, i) => NodeId(String(i + 1))), learners: [] };
}
