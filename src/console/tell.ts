/** Where a failure is told: JSON on stdout for a script that asked for it, text on stderr for a person. */
import process from "node:process";
import { failureJson, failureText, type Failure } from "./failure.js";

/** Prints a failure where its reader looks for it, and sets the exit code. */
export function tellFailure(failure: Failure, argv: readonly string[]): void {
  process.exitCode = failure.exitCode;
  if (wantsJson(argv)) process.stdout.write(`${JSON.stringify(failureJson(failure))}\n`);
  else process.stderr.write(`${failureText(failure)}\n`);
  if (process.env["BALSA_DEBUG"] === "1" && failure.stack !== undefined) {
    process.stderr.write(`${failure.stack}\n`);
  }
}

/** `--json` before any `--`; asked of the raw words, for failures that come before they are parsed. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}
