/**
 * What a command is: a row of a table that turns arguments into a plan. A plan
 * says what it needs (nothing, a write, a look at the store) and how the reply is
 * made of it; when it runs is the pipeline's affair.
 */
import type { NodeService, StoreView } from "../../node/service.js";
import type { Command, Request, RequestResult } from "../../store/command.js";
import type { ReplyWriter } from "./reply.js";
import type { ScanCursors } from "./scan-cursors.js";
import type { Session } from "./session.js";

export type Plan =
  /** needs only the session; runs when every reply before it is out */
  | { readonly kind: "local"; readonly run: (reply: ReplyWriter, session: Session) => void }
  /** the same, and the connection ends behind it */
  | { readonly kind: "last"; readonly run: (reply: ReplyWriter, session: Session) => void }
  | {
      readonly kind: "write";
      readonly request: Request;
      readonly answer: (reply: ReplyWriter, result: RequestResult) => void;
    }
  /** "again": nothing was replied yet, and another look is needed */
  | {
      readonly kind: "read";
      readonly serve: (reply: ReplyWriter, view: StoreView) => "done" | "again";
    };

/** What commands may know of the node and its door. */
export interface CommandContext {
  readonly service: NodeService;
  readonly cursors: ScanCursors;
  /** open at this moment, in order of arrival */
  readonly sessions: () => Iterable<Session>;
  readonly table: CommandTable;
}

/** The command's name is not among the arguments: `args[0]` is the first behind it. */
export type Planner = (args: readonly Buffer[], context: CommandContext) => Plan;

export interface CommandSpec {
  /** lower case */
  readonly name: string;
  /** arguments with the name; negative: at least so many */
  readonly arity: number;
  readonly flags: readonly string[];
  /** first, last and step of the keys among the arguments; [0, 0, 0] for none */
  readonly keys: readonly [first: number, last: number, step: number];
  /** Redis' name for what kind of command it is */
  readonly group: "string" | "generic" | "connection" | "server";
  readonly summary: string;
  readonly plan: Planner;
}

export type CommandTable = ReadonlyMap<string, CommandSpec>;

const NO_ID = new Uint8Array(0);

const SYNTAX = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";

export function refuse(text: string): Plan {
  return {
    kind: "local",
    run: (reply) => {
      reply.error(text);
    },
  };
}

export function refuseSyntax(): Plan {
  return refuse(SYNTAX);
}

/** @param name lower case; a subcommand as "client|id" */
export function refuseArity(name: string): Plan {
  return refuse(`ERR wrong number of arguments for '${name}' command`);
}

export function local(run: (reply: ReplyWriter, session: Session) => void): Plan {
  return { kind: "local", run };
}

export function ok(): Plan {
  return local((reply) => {
    reply.simple("OK");
  });
}

export function read(serve: (reply: ReplyWriter, view: StoreView) => void): Plan {
  return {
    kind: "read",
    serve: (reply, view) => {
      serve(reply, view);
      return "done";
    },
  };
}

export function write(
  commands: readonly Command[],
  answer: (reply: ReplyWriter, result: RequestResult) => void,
): Plan {
  return { kind: "write", request: { id: NO_ID, commands }, answer };
}

/** @param container upper case, such as "CLIENT" */
export function refuseSubcommand(container: string, subcommand: string): Plan {
  return refuse(`ERR unknown subcommand '${quotable(subcommand)}'. Try ${container} HELP.`);
}

/** As much of `text` as Redis quotes in an error: 128 bytes, and not beyond a zero, as C has it. */
export function quotable(text: string, sizeMax = 128): string {
  const zero = text.indexOf("\u0000");
  return text.slice(0, zero < 0 ? sizeMax : Math.min(zero, sizeMax));
}
