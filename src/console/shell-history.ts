/**
 * The lines a person has typed, kept for the next shell: a file that its owner alone
 * may read, since values stand in it. A line that begins with a blank is not kept.
 *
 * Each line is appended as it comes, so that shells side by side share one file and
 * one that is killed has lost none. What cannot be kept is no failure of the shell.
 */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import process from "node:process";

const LINES_MAX = 1000;
/** Lines that the file may hold before it is cut to LINES_MAX. */
const LINES_BEFORE_CUT = 2 * LINES_MAX;
const OWNER_ONLY = 0o600;

/** Where it is: with the state of the user's other programs, or in the home directory. */
export function historyFile(
  environment: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  const state = environment["XDG_STATE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  return state !== undefined && path.isAbsolute(state)
    ? path.join(state, "balsa", "history")
    : path.join(home, ".balsa_history");
}

export class ShellHistory {
  readonly #file: string;
  #last: string | undefined;
  #isWritable = true;

  constructor(file: string) {
    this.#file = file;
  }

  /** Oldest first; empty when there is none that can be read. */
  load(): readonly string[] {
    let lines: readonly string[];
    try {
      lines = readFileSync(this.#file, "utf8")
        .split("\n")
        .filter((line) => line !== "");
      chmodSync(this.#file, OWNER_ONLY);
    } catch {
      return [];
    }
    const kept = lines.slice(-LINES_MAX);
    if (lines.length > LINES_BEFORE_CUT) this.#rewrite(kept);
    this.#last = kept.at(-1);
    return kept;
  }

  /** Keeps a line, unless it is the last one again, empty, or begins with a blank. */
  add(line: string): void {
    if (!this.#isWritable || line === "" || /^\s/.test(line) || line === this.#last) return;
    this.#last = line;
    try {
      mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 });
      appendFileSync(this.#file, `${line}\n`, { mode: OWNER_ONLY });
    } catch {
      this.#isWritable = false;
    }
  }

  #rewrite(lines: readonly string[]): void {
    const temporary = `${this.#file}.${process.pid}`;
    try {
      writeFileSync(temporary, lines.map((line) => `${line}\n`).join(""), { mode: OWNER_ONLY });
      renameSync(temporary, this.#file);
    } catch {
      this.#isWritable = false;
    }
  }
}
