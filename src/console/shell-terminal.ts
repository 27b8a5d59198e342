/**
 * The two places a shell's lines come from: a person at a terminal, with a prompt,
 * completion and a history; or a pipe, which ends at its first failure.
 */
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { DatabaseError } from "../errors.js";
import { EXIT, failureJson, failureOf, failureText, usageError } from "./failure.js";
import { OutputClosed } from "./output.js";
import { complete } from "./shell-completion.js";
import type { ShellHistory } from "./shell-history.js";
import { executeLine } from "./shell-session.js";
import type { ShellState } from "./shell-state.js";
import { splitWords } from "./shell-words.js";

/** The prompt of a line that an open quote goes on in. */
const CONTINUED_PROMPT = "...> ";

/** A terminal, or what behaves like one. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
  readonly history: ShellHistory;
}

/**
 * Serves a person until they leave. A failure is told, and the next line asked for;
 * Ctrl-C stops what is under way, or drops the line.
 */
export async function runTerminal(state: ShellState, terminal: Terminal): Promise<void> {
  const { history } = terminal;
  const lines = createInterface({
    input: terminal.input,
    output: terminal.output,
    terminal: true,
    // Readline has the newest first.
    history: history.load().toReversed(),
    historySize: 1000,
    removeHistoryDuplicates: true,
    completer: (line: string, callback: CompleterCallback) => {
      complete(state, line).then(
        ([hits, typed]) => {
          callback(null, [[...hits], typed]);
        },
        () => {
          callback(null, [[], line]);
        },
      );
    },
  });
  const interruptible = new Interruptible(lines);
  let begun = "";
  const ask = (): void => {
    lines.setPrompt(begun === "" ? state.prompt : CONTINUED_PROMPT);
    lines.prompt();
  };
  interruptible.onIdle = () => {
    begun = "";
    terminal.output.write("^C\n");
  };
  interruptible.onDropped = ask;
  try {
    ask();
    for await (const line of lines) {
      const whole = begun + line;
      const isOpen = isContinued(whole);
      begun = isOpen ? `${whole}\n` : "";
      if (!isOpen) {
        if (!whole.includes("\n")) history.add(whole);
        if (await interruptible.run((signal) => executeTold(state, whole, signal))) return;
      }
      ask();
    }
    // Ctrl-D leaves the cursor behind the prompt.
    terminal.output.write("\n");
  } finally {
    lines.close();
    await state.close();
  }
}

type CompleterCallback = (error: Error | null, result: [string[], string]) => void;

/** What Ctrl-C means: the end of what is under way, or of the line that is being typed. */
class Interruptible {
  #running: AbortController | undefined;
  /** Ctrl-C when nothing is under way: before what was typed is dropped, and after. */
  onIdle: () => void = () => undefined;
  onDropped: () => void = () => undefined;

  constructor(lines: Interface) {
    lines.on("SIGINT", () => {
      if (this.#running !== undefined) {
        this.#running.abort();
        return;
      }
      // What was typed stays to be seen, and is dropped: from the cursor to both ends.
      this.onIdle();
      lines.write(null, { ctrl: true, name: "e" });
      lines.write(null, { ctrl: true, name: "u" });
      this.onDropped();
    });
  }

  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#running = controller;
    try {
      return await work(controller.signal);
    } finally {
      this.#running = undefined;
    }
  }
}

/** A line whose failure is told and forgotten. @returns true when the shell is to end */
async function executeTold(state: ShellState, line: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await executeLine(state, line, signal);
  } catch (error) {
    if (error instanceof OutputClosed) throw error;
    // Stopped on request, and nothing has happened: there is nothing to tell.
    if (!(signal.aborted && isAborted(error))) await tell(state, error, undefined);
    return false;
  } finally {
    await state.output.flush();
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "ABORTED";
}

/**
 * Does the lines of a script, in order, up to the first that fails: what follows may
 * rely on it. A transaction that is open at the end is rolled back, and that is a failure.
 *
 * @returns the exit code of the first failure, or 0
 */
export async function runScript(
  state: ShellState,
  input: Readable,
  { keepsGoing }: { readonly keepsGoing: boolean },
): Promise<number> {
  const never = new AbortController().signal;
  let exitCode: number = EXIT.success;
  let number = 0;
  let begun = "";
  const failed = async (error: unknown, at: number | undefined): Promise<void> => {
    const code = await tell(state, error, at);
    if (exitCode === EXIT.success) exitCode = code;
  };
  const lines = createInterface({ input, crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      number += 1;
      const whole = begun + line;
      begun = isContinued(whole) ? `${whole}\n` : "";
      if (begun !== "") continue;
      try {
        const isOver = await executeLine(state, whole, never);
        // Whoever writes the lines may wait for the answer to each.
        await state.output.flush();
        if (isOver) break;
      } catch (error) {
        if (error instanceof OutputClosed) throw error;
        await failed(error, number);
        if (!keepsGoing) break;
      }
    }
  } catch (error) {
    await state.close();
    throw error;
  } finally {
    lines.close();
  }
  if (begun !== "" && (keepsGoing || exitCode === EXIT.success))
    await failed(usageError("a quote is open at the end of the input", "close it"), number);
  const open = await state.close();
  if (open !== undefined && exitCode === EXIT.success) {
    const message = `the input ended inside transaction ${open}: it was rolled back`;
    await failed(usageError(message, "end the input with commit, rollback or detach"), undefined);
  }
  await state.output.flush();
  return exitCode;
}

/** Whether the line goes on in the next one. What is wrong with it is told when it is executed. */
function isContinued(line: string): boolean {
  try {
    return splitWords(line).open !== "";
  } catch {
    return false;
  }
}

/** Tells a failure where its reader looks for it. @returns its exit code */
async function tell(
  state: ShellState,
  error: unknown,
  lineNumber: number | undefined,
): Promise<number> {
  // What was printed before it failed comes first.
  await state.output.flush();
  const failure = failureOf(error, "help");
  const told =
    lineNumber === undefined
      ? failure
      : { ...failure, message: `line ${lineNumber}: ${failure.message}` };
  if (state.isJson) await state.output.json(failureJson(told));
  else state.note(failureText(told));
  return failure.exitCode;
}
