/**
 * The configuration file: what flags are when neither the command line nor the
 * environment says so.
 *
 *   {
 *     "endpoints": "10.0.0.1:14141,10.0.0.2:14141",
 *     "kv": { "timeout": "2s" },
 *     "node": { "start": { "data": "/var/lib/balsa", "snapshot-entries": 100000 } }
 *   }
 *
 * Keys are flag names: at the top for every command that has the flag, under a
 * topic's name for its commands, under a command's for that command alone; the
 * closer one counts. A name that no command there has is a mistake, and refused.
 *
 * It is `balsa.config.json` in the working directory, or what --config or
 * BALSA_CONFIG name.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type CommandError, usageError } from "./failure.js";

export const CONFIGURATION_NAME = "balsa.config.json";
export const CONFIGURATION_VARIABLE = "BALSA_CONFIG";

/** Flags that make no sense in a file. */
const NOT_IN_A_FILE: ReadonlySet<string> = new Set(["config", "help", "version"]);

/** A command, as far as the file is held against it. */
export interface CommandShape {
  /** words separated by colons */
  readonly id: string;
  readonly flags: ReadonlySet<string>;
}

/** What the file says of one flag. */
export interface ConfiguredValue {
  readonly value: unknown;
  /** where it stands, for errors: `balsa.config.json: "log.inspect.limit"` */
  readonly where: string;
}

type Section = Readonly<Record<string, unknown>>;

/**
 * The path to read; undefined when there is nothing that must be there.
 * @param argv the words behind the command
 */
export function configurationPath(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): { readonly file: string; readonly isNamed: boolean } {
  const named = namedOnCommandLine(argv) ?? environment[CONFIGURATION_VARIABLE];
  return named === undefined || named === ""
    ? { file: CONFIGURATION_NAME, isNamed: false }
    : { file: named, isNamed: true };
}

/** The last `--config FILE` or `--config=FILE` before any `--`. */
function namedOnCommandLine(argv: readonly string[]): string | undefined {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  const at = words.findLastIndex((word) => word === "--config" || word.startsWith("--config="));
  const word = words[at];
  if (word === undefined) return undefined;
  return word === "--config" ? words[at + 1] : word.slice("--config=".length);
}

/** The file's content; undefined when there is none and none was named. @throws {CommandError} usage */
export function readConfiguration(file: string, isNamed: boolean): Section | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" && !isNamed) return undefined;
    const why = code === "ENOENT" ? "is not there" : `cannot be read (${code})`;
    throw usageError(
      `the configuration file ${file} ${why}`,
      "--config FILE, or BALSA_CONFIG=FILE",
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`${file} is not JSON: ${why}`, '{"endpoints": "127.0.0.1:14141"}');
  }
  if (isSection(parsed)) return parsed;
  throw usageError(`${file} is not a JSON object`, '{"endpoints": "127.0.0.1:14141"}');
}

/**
 * What the file says for one command, by flag.
 * @throws {CommandError} usage, when a key in it names no flag, topic or command
 */
export function configuredValues(
  file: string,
  content: Section,
  commandId: string,
  commands: readonly CommandShape[],
): ReadonlyMap<string, ConfiguredValue> {
  checkKeys(file, content, [], commands);
  const flags = commands.find(({ id }) => id === commandId)?.flags ?? new Set<string>();
  const values = new Map<string, ConfiguredValue>();
  const words = commandId.split(":");
  let section: unknown = content;
  for (let depth = 0; depth <= words.length && isSection(section); depth += 1) {
    for (const [key, value] of Object.entries(section)) {
      if (isSection(value) || !flags.has(key)) continue;
      values.set(key, { value, where: whereOf(file, [...words.slice(0, depth), key]) });
    }
    section = section[words[depth] ?? ""];
  }
  return values;
}

function checkKeys(
  file: string,
  section: Section,
  at: readonly string[],
  commands: readonly CommandShape[],
): void {
  const prefix = at.join(":");
  const here = commands.filter(
    ({ id }) => prefix === "" || id === prefix || id.startsWith(`${prefix}:`),
  );
  for (const [key, value] of Object.entries(section)) {
    const where = whereOf(file, [...at, key]);
    if (isSection(value)) {
      const inner = [...at, key].join(":");
      if (here.some(({ id }) => id === inner || id.startsWith(`${inner}:`))) {
        checkKeys(file, value, [...at, key], commands);
        continue;
      }
      throw usageError(`${where} names no command`, namesOf(nextWords(here, at)));
    }
    if (NOT_IN_A_FILE.has(key)) throw usageError(`${where} cannot stand in a file`, `--${key}`);
    if (here.some(({ flags }) => flags.has(key))) continue;
    const whose = at.length === 0 ? "any command" : `balsa ${at.join(" ")}`;
    const known = [...new Set(here.flatMap(({ flags }) => [...flags]))];
    const fit = known.filter((flag) => !NOT_IN_A_FILE.has(flag)).sort();
    throw usageError(`${where} is no flag of ${whose}`, namesOf(fit));
  }
}

/** What may follow a topic's name. */
function nextWords(commands: readonly CommandShape[], at: readonly string[]): readonly string[] {
  const words = commands.flatMap(({ id }) => id.split(":")[at.length] ?? []);
  return [...new Set(words)].sort();
}

function namesOf(names: readonly string[]): string {
  return names.length === 0 ? "remove it" : `one of ${names.join(", ")}`;
}

/**
 * A value as the command line would give it: words for the flag's own parser, or
 * undefined for a boolean that is as it is.
 * @throws {CommandError} usage
 */
export function wordsOf(
  { value, where }: ConfiguredValue,
  flag: { readonly type: "boolean" | "option"; readonly isMultiple: boolean },
): readonly string[] | boolean {
  if (flag.type === "boolean") {
    if (typeof value === "boolean") return value;
    throw usageError(`${where} is ${kindOf(value)}`, "true or false");
  }
  const values: readonly unknown[] = flag.isMultiple && Array.isArray(value) ? value : [value];
  return values.map((one) => {
    if (typeof one === "string") return one;
    if (typeof one === "number") return String(one);
    throw usageError(
      `${where} is ${kindOf(one)}`,
      flag.isMultiple ? "a text, a number, or a list of them" : "a text or a number",
    );
  });
}

/** An error of a flag's own parser, with the place in the file where its value stands. */
export function misplaced(where: string, error: unknown): CommandError {
  const message = error instanceof Error ? error.message : String(error);
  return usageError(
    `${where}: ${message.split("\n")[0] ?? message}`,
    "a value as the flag takes it",
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function whereOf(file: string, keys: readonly string[]): string {
  return `${path.basename(file) === file ? file : path.normalize(file)}: "${keys.join(".")}"`;
}

function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
