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
import type { RemoteDatabase } from "../client/remote-database.js";
import { parseEndpoints, UNREACHABLE_TIMEOUT_MS } from "./address.js";
import { parseDuration } from "./duration.js";
import { failureOf } from "./failure.js";
import { Output, OutputClosed } from "./output.js";
import { tellFailure } from "./tell.js";

const DEFAULT_ENDPOINT = "127.0.0.1:14141";

export abstract class BaseCommand extends Command {
  static override baseFlags = {
    json: boolean({
      description: "print JSON, failures included",
      helpGroup: "GLOBAL",
    }),
  };

  protected readonly output = new Output(process.stdout);

  /** Fails with one line, what to do, and the contract's exit code. */
  protected override async catch(error: Error): Promise<void> {
    if (error instanceof OutputClosed) return;
    await this.output.flush().catch(() => undefined);
    tellFailure(failureOf(error, `balsa ${(this.id ?? "").replaceAll(":", " ")}`), this.argv);
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
      env: "BALSA_ENDPOINTS",
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
    const endpoints = parseEndpoints(flags.endpoints).map(({ text }) => text);
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
