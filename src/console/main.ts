/**
 * The executable's whole life: find the command, run it, and tell how it failed.
 *
 * Exit codes are set, not forced: the process ends when nothing is left to do, so
 * that nothing printed is lost.
 */
import path from "node:path";
import process from "node:process";
import { run } from "@oclif/core/run";
import { settings } from "@oclif/core/settings";
import { EXIT, failureOf } from "./failure.js";
import { tellFailure } from "./tell.js";

/** dist/src/console, three below the package */
const PACKAGE_ROOT = path.resolve(import.meta.dirname, "../../..");

export async function main(argv: readonly string[]): Promise<void> {
  // What runs is what was built: never sources beside it.
  settings.enableAutoTranspile = false;
  // Whoever read our notes may go; that must not end a node.
  process.stderr.on("error", () => undefined);
  try {
    await run([...argv], { root: PACKAGE_ROOT });
  } catch (error) {
    // Before there is a command: an unknown one, or oclif itself.
    if (isOrderlyExit(error)) process.exitCode ??= EXIT.success;
    else tellFailure(failureOf(error, "balsa"), argv);
  }
}

/** oclif leaves by throwing after it has shown help. */
function isOrderlyExit(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIT";
}
