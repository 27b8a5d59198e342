/**
 * A shell, line by line: what a line means, and what is left of the transaction when
 * it fails. Where lines come from is not known here.
 */
import { parseArgs } from "node:util";
import { DatabaseError } from "../errors.js";
import { usageError } from "./failure.js";
import { commandNamed, type ShellCommand } from "./shell-commands.js";
import type { ShellState } from "./shell-state.js";
import { splitWords } from "./shell-words.js";

/**
 * Does what a line says; nothing, when it says nothing.
 *
 * @param line whole: no quote is open in it
 * @returns true when the shell is to end
 * @throws {CommandError} {@link DatabaseError} as the one-shot commands do
 */
export async function executeLine(
  state: ShellState,
  line: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { words } = splitWords(line);
  const [name, ...rest] = words;
  if (name === undefined) return false;
  const command = commandNamed(name);
  const given = parsedWords(name, command, rest);
  try {
    await command.run(state, { ...given, signal });
    return state.isOver;
  } catch (error) {
    // It is over, whatever ended it: what follows must not be taken for a part of it.
    if (endsTransaction(error) && state.transaction !== undefined) {
      state.note(`transaction ${state.transaction.id} is over`);
      state.leave();
    }
    throw error;
  }
}

function endsTransaction(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    (error.code === "CONFLICT" || error.code === "TRANSACTION_GONE")
  );
}

/** @throws {CommandError} usage */
function parsedWords(
  name: string,
  command: ShellCommand,
  args: string[],
): { readonly words: readonly string[]; readonly flags: Readonly<Record<string, unknown>> } {
  const usage = `${name} ${command.usage}`.trimEnd();
  let parsed: { readonly positionals: string[]; readonly values: Record<string, unknown> };
  try {
    parsed = parseArgs({ args, options: command.flags ?? {}, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw usageError(`${name}: ${message}`, usage);
  }
  const { positionals: words, values: flags } = parsed;
  const shape = command.usage.replaceAll(/\[--[^\]]*\]/g, "").match(/\S+/g) ?? [];
  const required = shape.filter((word) => !word.startsWith("["));
  if (words.length < required.length)
    throw usageError(`${name} needs ${required.slice(words.length).join(" and ")}`, usage);
  if (words.length > shape.length)
    throw usageError(
      `${name} does not take "${words[shape.length] ?? ""}": quote what has blanks`,
      usage,
    );
  return { words, flags };
}
