/** What a whole comparison has: a directory that goes away, systems that are stopped, results that are kept. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { describeEnvironment, environmentLine, type Environment } from "../environment.js";
import type { System } from "../systems/system.js";

const ROOT = path.resolve(import.meta.dirname, "../../..");
export const USUAL_DIRECTORY: string = path.join(ROOT, "data");
/** Processes that wanted a processor before anything of ours ran; beyond it others disturb the run. */
const BUSY_LOAD = 0.5;
/** Between two lines of progress that are not written over. */
const PLAIN_PROGRESS_MS = 5000;

export interface Session {
  readonly directory: string;
  readonly environment: Environment;
  /** stopped at the end, however that comes */
  readonly running: System[];
  readonly say: (line?: string) => void;
  /** how far it is: on a terminal one line that is written over, elsewhere a line now and then */
  readonly progress: (line: string) => void;
}

/** Lends a session to `use`, and clears up. */
export async function inSession(
  parent: string,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(path.join(parent, "bench-"));
  const running: System[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.allSettled(running.splice(0).map((system) => system.stop()));
    rmSync(directory, { recursive: true, force: true });
  };
  const onSignal = (): void => {
    void stopAll().finally(() => process.exit(130));
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    const environment = describeEnvironment(directory);
    const say = (line = ""): void => void process.stdout.write(`${line}\n`);
    say(environmentLine(environment));
    if (environment.load > BUSY_LOAD) {
      say(
        `!! This machine is BUSY (load ${environment.load.toFixed(1)}): trust the ratios only, and those little.`,
      );
    }
    await use({
      directory,
      environment,
      running,
      say,
      progress: progressTeller(),
    });
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    await stopAll();
  }
}

function progressTeller(): (line: string) => void {
  if (process.stderr.isTTY) return (line) => process.stderr.write(`\r${line}\u001b[K`);
  let nextMs = 0;
  return (line) => {
    if (line === "" || performance.now() < nextMs) return;
    nextMs = performance.now() + PLAIN_PROGRESS_MS;
    process.stderr.write(`${line}\n`);
  };
}

/** Keeps results as JSON, and what was said about them as Markdown. @returns the files, from here */
export function keepResults(
  name: string,
  results: object,
  lines: readonly string[],
): readonly string[] {
  const folder = path.join(ROOT, "bench", "results");
  mkdirSync(folder, { recursive: true });
  const time = new Date().toISOString();
  const file = path.join(folder, `${name}-${time.replaceAll(":", "-")}`);
  writeFileSync(`${file}.json`, `${JSON.stringify({ time, ...results })}\n`);
  writeFileSync(`${file}.md`, `${lines.join("\n")}\n`);
  return [`${file}.json`, `${file}.md`].map((each) => path.relative("", each));
}
