/**
 * What every command has: `--json`, one way to fail, one way to print.
 *
 * Commands that talk to nodes extend ConnectedCommand, which adds `--endpoints`
 * and `--timeout`. The parts that take time to load (client, codec, node) are
 * imported where they are first needed: a command that only prints its help
 * must not pay for them.
 */
import process from "node:process";
import { Command } from "@oclif/core/command";
import { boolean, string } from "@oclif/core/flags";
import type { FlagInput, Input, ParserOutput } from "@oclif/core/interfaces";
import type { RemoteDatabase } from "../client/remote-database.js";
import { parseEndpoints, UNREACHABLE_TIMEOUT_MS } from "./address.js";
import {
  CONFIGURATION_NAME,
  CONFIGURATION_VARIABLE,
  configurationPath,
  configuredValues,
  misplaced,
  readConfiguration,
  wordsOf,
  type ConfiguredValue,
} from "./configuration-file.js";
import { parseDuration } from "./duration.js";
import { failureOf } from "./failure.js";
import { Output, OutputClosed } from "./output.js";
import { tellFailure } from "./tell.js";

const DEFAULT_ENDPOINT = "127.0.0.1:14141";
const ENDPOINTS_VARIABLE = "BALSA_ENDPOINTS";

// oclif throws what standard output fails with past everybody, and would end a node by it. Whoever
// writes there is told by the write itself (output.ts).
process.stdout.removeAllListeners("error");
process.stdout.on("error", () => undefined);

export abstract class BaseCommand extends Command {
  static override baseFlags = {
    json: boolean({
      description: "print JSON, failures included",
      helpGroup: "GLOBAL",
    }),
    config: string({
      description: `what flags are by default, by their names [default: ./${CONFIGURATION_NAME}]`,
      helpGroup: "GLOBAL",
      helpValue: "FILE",
      env: CONFIGURATION_VARIABLE,
    }),
  };

  protected readonly output = new Output(process.stdout);
  /** whether the configuration file asks for JSON */
  #isJsonByDefault = false;

  /** Flags over environment over configuration file over defaults. */
  protected override async parse<
    F extends Record<string, unknown>,
    B extends Record<string, unknown>,
    A extends Record<string, unknown>,
  >(options?: Input<F, B, A>, argv: string[] = this.argv): Promise<ParserOutput<F, B, A>> {
    const input: Input<F, B, A> = options ?? (this.ctor as Input<F, B, A>);
    const configured = this.#configured(argv);
    if (configured.size === 0) return super.parse(input, argv);
    this.#isJsonByDefault = configured.get("json")?.value === true;
    const { args, flags, baseFlags } = input;
    return super.parse<F, B, A>(
      {
        ...input,
        ...(args === undefined ? {} : { args }),
        ...(flags === undefined ? {} : { flags: await filled(flags, configured, this) }),
        ...(baseFlags === undefined
          ? {}
          : { baseFlags: await filled(baseFlags, configured, this) }),
      },
      argv,
    );
  }

  #configured(argv: readonly string[]): ReadonlyMap<string, ConfiguredValue> {
    const { file, isNamed } = configurationPath(argv, process.env);
    const content = readConfiguration(file, isNamed);
    if (content === undefined) return new Map();
    const commands = this.config.commands.map(({ id, flags }) => ({
      id,
      flags: new Set(Object.keys(flags)),
    }));
    return configuredValues(file, content, this.id ?? "", commands);
  }

  /** Fails with one line, what to do, and the contract's exit code. */
  protected override async catch(error: Error): Promise<void> {
    if (error instanceof OutputClosed) return;
    await this.output.flush().catch(() => undefined);
    const isJson = this.#isJsonByDefault && !this.argv.includes("--no-json");
    const argv = isJson ? ["--json", ...this.argv] : this.argv;
    tellFailure(failureOf(error, `balsa ${(this.id ?? "").replaceAll(":", " ")}`), argv);
  }

  /** Prints what is still gathered. */
  protected override async finally(error: Error | undefined): Promise<void> {
    if (error === undefined) await this.output.flush().catch(onlyClosed);
  }

  /** A note for a person; never on stdout. */
  protected note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** Whether the flag stood on the command line (and did not come from the environment). */
  protected given(flag: string): boolean {
    return this.argv.some((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
  }
}

/** The flags with the file's values for their defaults, each put through the flag's own parser. */
async function filled<T extends Record<string, unknown>>(
  flags: FlagInput<T>,
  configured: ReadonlyMap<string, ConfiguredValue>,
  context: Command,
): Promise<FlagInput<T>> {
  const copies: [string, unknown][] = [];
  for (const [name, flag] of Object.entries<FlagInput[string]>(flags)) {
    const found = configured.get(name);
    if (found === undefined) {
      copies.push([name, flag]);
      continue;
    }
    const isMultiple = flag.type === "option" && flag.multiple === true;
    const words = wordsOf(found, { type: flag.type, isMultiple });
    if (flag.type === "boolean" || typeof words === "boolean") {
      // What the file turns on, `--no-…` turns off.
      copies.push([name, { ...flag, default: words, allowNo: true }]);
      continue;
    }
    try {
      const parsed: unknown[] = [];
      for (const input of words) {
        const place = Object.create(context) as Parameters<typeof flag.parse>[1];
        place.token = { type: "flag", flag: name, input };
        parsed.push(await flag.parse(input, place, flag));
      }
      copies.push([name, { ...flag, default: isMultiple ? parsed : parsed[0] }]);
    } catch (error) {
      throw misplaced(found.where, error);
    }
  }
  return Object.fromEntries(copies) as FlagInput<T>;
}

function onlyClosed(error: unknown): void {
  if (!(error instanceof OutputClosed)) throw error;
}

/** What ConnectedCommand's flags come out as. */
export interface ConnectionFlags {
  readonly endpoints: string;
  readonly timeout: string;
}

export abstract class ConnectedCommand extends BaseCommand {
  static override baseFlags = {
    ...BaseCommand.baseFlags,
    endpoints: string({
      description: "client addresses of nodes, host:port,…; any of them will do",
      helpGroup: "GLOBAL",
      helpValue: "H:P,…",
      env: ENDPOINTS_VARIABLE,
      default: DEFAULT_ENDPOINT,
    }),
    timeout: string({
      description: "how long one request may take",
      helpGroup: "GLOBAL",
      helpValue: "5s",
      default: "5s",
    }),
  };

  /** Lends a connection to `use` and closes it, however that ends. */
  protected async withDatabase<T>(
    flags: ConnectionFlags,
    use: (database: RemoteDatabase) => Promise<T>,
  ): Promise<T> {
    const isFromEnvironment =
      !this.given("endpoints") && process.env[ENDPOINTS_VARIABLE] === flags.endpoints;
    const where = isFromEnvironment ? `${ENDPOINTS_VARIABLE}=` : "--endpoints";
    const endpoints = parseEndpoints(flags.endpoints, where).map(({ text }) => text);
    const timeoutMs = parseDuration(flags.timeout, "--timeout");
    const { connect } = await import("../client/remote-database.js");
    const database = connect({
      endpoints,
      timeoutMs,
      unreachableTimeoutMs: UNREACHABLE_TIMEOUT_MS,
    });
    try {
      return await use(database);
    } finally {
      await database.close();
    }
  }
}
