/** Nodes whose loops are watched, a process that does nothing beside them, and what the watches wrote. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Session } from "../peers/session.js";
import { startOwn } from "../peers/start.js";
import type { System } from "../systems/system.js";

export interface Holds {
  /** the longest of any node, by the clock; milliseconds */
  readonly heldMs: number;
  /** the longest without what a node waited for a processor that others had; milliseconds */
  readonly ownMs: number;
  /** the most that a node ran in one; the rest of it waited for the disk */
  readonly ranMs: number;
  /** the longest collection of garbage among it; milliseconds */
  readonly collectedMs: number;
  /** `ownMs` of a process that does nothing: what the machine itself holds loops for */
  readonly idleMs: number;
}

export interface WatchedSystem extends Disposable {
  readonly system: System;
  /** Within these moments, milliseconds since 1970. */
  readonly holds: (fromMs: number, toMs: number) => Holds;
}

const WATCH = pathToFileURL(path.join(import.meta.dirname, "loop-watch.js")).href;

export async function startWatched(session: Session): Promise<WatchedSystem> {
  const [nodes, idle] = ["holds", "idle-holds"].map((name) => path.join(session.directory, name));
  if (nodes === undefined || idle === undefined) throw new Error("there are two directories");
  for (const directory of [nodes, idle]) mkdirSync(directory, { recursive: true });
  const idler = startIdler(idle);
  const system = await startOwn(session, {
    environment: { NODE_OPTIONS: `--import=${WATCH}`, BALSA_BENCH_HOLDS: nodes },
  });
  return {
    system,
    holds: (fromMs, toMs) => {
      const lines = linesIn(nodes, fromMs, toMs);
      return {
        heldMs: longest(lines, 1),
        ownMs: longest(lines, 2),
        ranMs: longest(lines, 3),
        collectedMs: longest(lines, 4),
        idleMs: longest(linesIn(idle, fromMs, toMs), 2),
      };
    },
    [Symbol.dispose]: () => {
      idler.kill();
    },
  };
}

/** What was measured, for the remark of a figure. */
export function holdsRemark({ heldMs, ranMs, collectedMs, idleMs }: Holds): string {
  return (
    `${ranMs.toFixed(1)} of it code, ${heldMs.toFixed(1)} with the wait for a processor; garbage ${collectedMs.toFixed(1)} at most; ` +
    `a process that does nothing ${idleMs.toFixed(1)}`
  );
}

/** Waits for its standard input, which ends with this process. */
function startIdler(directory: string): ReturnType<typeof spawn> {
  return spawn(
    process.execPath,
    [`--import=${WATCH}`, "--eval", "process.stdin.resume().on('end', () => process.exit())"],
    {
      env: { ...process.env, BALSA_BENCH_HOLDS: directory },
      stdio: ["pipe", "inherit", "inherit"],
    },
  );
}

type Line = readonly number[];

function linesIn(directory: string, fromMs: number, toMs: number): readonly Line[] {
  return readdirSync(directory)
    .flatMap((name) => readFileSync(path.join(directory, name), "utf8").split("\n"))
    .map((line) => line.split(" ").map(Number))
    .filter(([atMs = 0]) => atMs >= fromMs && atMs <= toMs);
}

function longest(lines: readonly Line[], column: number): number {
  return Math.max(0, ...lines.map((line) => line[column] ?? 0));
}
