/**
 * Bytes of log that a put of 100 bytes costs, at twenty a batch or more. Files that
 * are filled with zeros ahead count up to their last byte that is none; the page at
 * the end of Balsa's open segment (data/README.md) is there once and does not count.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import path from "node:path";
import type { Session } from "../peers/session.js";
import { fillSystem, measureApart } from "../peers/start.js";
import type { System } from "../systems/system.js";
import type { FigurePart } from "./figure.js";

const KEYS = 100_000;
const KEYS_QUICK = 20_000;
const WANTED = 130;
const CHUNK_SIZE = 1024 * 1024;
const OPEN_SEGMENT = ".open";
const WITNESS_SIZE = 4096;

export const logBytes: FigurePart = {
  name: "log-bytes",
  about: "bytes of log a put of 100 bytes costs",
  async measure(session, settings) {
    const keys = settings.isQuick ? KEYS_QUICK : KEYS;
    const { ours, theirs } = await measureApart(session, "etcd", (system) =>
      bytesPerPut(session, system, keys),
    );
    return [
      {
        what: "log bytes of a put of 100 bytes, 1000 in flight",
        relation: "at most",
        wanted: WANTED,
        measured: ours,
        unit: " B",
        remark: `114 B of them key and value; etcd ${theirs === undefined ? "not here" : `${theirs.toFixed(1)} B`}`,
      },
    ];
  },
};

/** Of the first node: all of them hold the same log. */
async function bytesPerPut(session: Session, system: System, keys: number): Promise<number> {
  const [directory = ""] = system.logDirectories;
  await system.leaderPort();
  const before = usedIn(directory);
  await fillSystem(session, system, keys);
  return (usedIn(directory) - before) / keys;
}

function usedIn(directory: string): number {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name }) => sum + usedOf(path.join(directory, name)), 0);
}

/** Where a file's last byte is that is not zero. */
function usedOf(file: string): number {
  const descriptor = openSync(file, "r");
  try {
    const chunk = Buffer.alloc(CHUNK_SIZE);
    const { size } = fstatSync(descriptor);
    const whole = file.endsWith(OPEN_SEGMENT) ? size - WITNESS_SIZE : size;
    for (let end = whole; end > 0; end -= Math.min(CHUNK_SIZE, end)) {
      const from = Math.max(0, end - CHUNK_SIZE);
      readSync(descriptor, chunk, 0, end - from, from);
      for (let at = end - from - 1; at >= 0; at -= 1) if (chunk[at] !== 0) return from + at + 1;
    }
    return 0;
  } finally {
    closeSync(descriptor);
  }
}
