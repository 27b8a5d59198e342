/**
 * The words behind a program that is run by hand (`npm run bench`, `npm run simulate`):
 * `--help` prints its usage, and what is wrong with them is told with the usage and exit
 * code 2, as the command line does.
 */
import process from "node:process";
import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<Of extends Options> = ReturnType<typeof parseArgs<{ readonly options: Of }>>["values"];

/** A word that cannot be meant: the message names it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * What the options are, checked.
 *
 * @param numbers options that are numbers above 0
 * @throws {UsageError} for an option that is unknown, lacks its value, or is none of these numbers
 */
export function valuesOf<const Of extends Options>(
  words: readonly string[],
  options: Of,
  numbers: readonly (keyof Of & string)[] = [],
): Values<Of> {
  const values = parsed(words, options);
  for (const name of numbers) {
    const text: unknown = (values as Readonly<Record<string, unknown>>)[name];
    if (typeof text === "string") numberOf(`--${name}`, text);
  }
  return values;
}

/** @throws {UsageError} when it is no number above 0 */
export function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UsageError(`${flag} ${text} is not a number above 0`);
}

function parsed<Of extends Options>(words: readonly string[], options: Of): Values<Of> {
  try {
    return parseArgs({ args: [...words], options }).values;
  } catch (error) {
    // Node's own words; what follows the first sentence is about words that begin with "-".
    const [first = ""] = String(error instanceof Error ? error.message : error).split(". ");
    throw new UsageError(first, { cause: error });
  }
}

/** The values of this process's words; or none, because it ends: with its usage. */
export function valuesOrUsage<const Of extends Options>(
  usage: string,
  options: Of,
  numbers: readonly (keyof Of & string)[] = [],
): Values<Of> {
  const words = process.argv.slice(2);
  if (words.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return valuesOf(words, options, numbers);
  } catch (error) {
    endWith(error, usage);
  }
}

/** Ends the process with the error's text: 2 and the usage when it was the words, 1 otherwise. */
export function endWith(error: unknown, usage: string): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (!(error instanceof UsageError)) process.exit(1);
  process.stderr.write(`\n${usage}\n`);
  process.exit(2);
}
