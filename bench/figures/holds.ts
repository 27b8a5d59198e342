/** Nodes whose loops are watched, and what the watches wrote. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Session } from "../peers/session.js";
import { startOwn } from "../peers/start.js";
import type { System } from "../systems/system.js";

export interface Holds {
  /** the longest of any node; milliseconds */
  readonly heldMs: number;
  /** the longest collection of garbage among it; milliseconds */
  readonly collectedMs: number;
}

export interface WatchedSystem {
  readonly system: System;
  /** Within these moments, milliseconds since 1970. */
  readonly holds: (fromMs: number, toMs: number) => Holds;
}

export async function startWatched(session: Session): Promise<WatchedSystem> {
  const directory = path.join(session.directory, "holds");
  mkdirSync(directory, { recursive: true });
  const watch = pathToFileURL(path.join(import.meta.dirname, "loop-watch.js")).href;
  const system = await startOwn(session, {
    environment: { NODE_OPTIONS: `--import=${watch}`, BALSA_BENCH_HOLDS: directory },
  });
  return { system, holds: (fromMs, toMs) => holdsIn(directory, fromMs, toMs) };
}

function holdsIn(directory: string, fromMs: number, toMs: number): Holds {
  const lines = readdirSync(directory)
    .flatMap((name) => readFileSync(path.join(directory, name), "utf8").split("\n"))
    .map((line) => line.split(" ").map(Number))
    .filter(([atMs = 0]) => atMs >= fromMs && atMs <= toMs);
  return {
    heldMs: Math.max(0, ...lines.map(([, held = 0]) => held)),
    collectedMs: Math.max(0, ...lines.map(([, , collected = 0]) => collected)),
  };
}
