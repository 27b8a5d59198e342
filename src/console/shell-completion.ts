/**
 * What the Tab key offers: commands, their flags, savepoints, and keys as they are
 * in the cluster at this moment, few and quickly or not at all.
 */
import type { Database } from "../database.js";
import { SHELL_COMMANDS } from "./shell-commands.js";
import type { ShellState } from "./shell-state.js";
import { type LineWords, type Quote, quoteWord, splitWords } from "./shell-words.js";

const KEYS_MAX = 100;
/** Longer, and the person has typed it meanwhile. Milliseconds. */
const KEYS_TIMEOUT_MS = 500;

/**
 * @param line up to the cursor
 * @returns the completions, whole words as they would be typed, and the part of the line they replace
 */
export async function complete(
  state: ShellState,
  line: string,
): Promise<readonly [readonly string[], string]> {
  let split: LineWords;
  try {
    split = splitWords(line);
  } catch {
    // An escape that is not finished, or none.
    return [[], ""];
  }
  const { words, lastStart } = split;
  const typed = line.slice(lastStart);
  const place = typed === "" ? words.length : words.length - 1;
  const meant = typed === "" ? "" : (words.at(-1) ?? "");
  const first = typed.charAt(0);
  const quote: Quote = first === "'" || first === '"' ? first : "";
  const candidates = await candidatesFor(state, words, place, meant);
  const hits = candidates
    .flatMap((word) => quoteWord(word, quote) ?? [])
    .filter((word) => word.startsWith(typed));
  const [only] = hits;
  // The word is finished.
  return [hits.length === 1 && only !== undefined ? [`${only} `] : hits, typed];
}

/** Words that may stand at a place of the line, those that begin with `meant` among them. */
async function candidatesFor(
  state: ShellState,
  words: readonly string[],
  place: number,
  meant: string,
): Promise<readonly string[]> {
  const names = [...SHELL_COMMANDS.keys()];
  if (place === 0) return names;
  const command = SHELL_COMMANDS.get(words[0] ?? "");
  if (command === undefined) return [];
  if (meant.startsWith("-")) return Object.keys(command.flags ?? {}).map((flag) => `--${flag}`);
  if (place !== 1) return [];
  if (command.completes === "key") return keysFrom(state.database, meant);
  if (command.completes === "savepoint") return state.savepoints;
  return command.completes === "command" ? names : [];
}

/** Not through the transaction: what a person looks at by Tab is no read that must be validated. */
async function keysFrom(database: Database, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    const options = { limit: KEYS_MAX, timeoutMs: KEYS_TIMEOUT_MS };
    for await (const { key } of database.list({ prefix }, options)) {
      try {
        keys.push(decoder.decode(key));
      } catch {
        // No text: nobody can type it.
      }
    }
  } catch {
    // No answer in time is no completion; the command itself will say why.
  }
  return keys;
}
