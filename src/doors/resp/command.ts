/**
 * What a command is: a row of a table that turns arguments into a plan. A plan
 * says what it needs (nothing, a write, a look at the store) and how the reply is
 * made of it; when it runs is the pipeline's affair, or that of the transaction it
 * is queued in.
 */
import type { NodeService, StoreView } from "../../node/service.js";
import type { KeyCommand, Request, RequestResult } from "../../store/command.js";
import type { ReadTurns } from "../read-turns.js";
import type { HeldSize } from "./held-size.js";
import type { ReplyWriter } from "./reply.js";
import type { ScanCursors } from "./scan-cursors.js";
import type { Session } from "./session.js";

/** Single keys at one moment: all that most reads look at. */
export type KeyView = Pick<StoreView, "get" | "remainingOf">;
/** All keys at one moment. */
export type ReadView = KeyView & Pick<StoreView, "size" | "range">;

/** Needs only the session; runs when every reply before it is out. */
export interface LocalPlan {
  readonly kind: "local";
  readonly run: (reply: ReplyWriter, session: Session) => void;
  /** said at once even in a transaction, which it dooms */
  readonly rejected?: true;
}

/** The same, and the connection ends behind it. */
export interface LastPlan {
  readonly kind: "last";
  readonly run: (reply: ReplyWriter, session: Session) => void;
}

export interface WritePlan {
  readonly kind: "write";
  /** without commands only as what a "decide" has come to: nothing is to be done */
  readonly commands: readonly KeyCommand[];
  /** "each": as the request's; otherwise all or none */
  readonly mode?: "each";
  /** @param result of these commands alone */
  readonly answer: (reply: ReplyWriter, result: RequestResult, session: Session) => void;
  /** how it is done between other commands, where "all or none" is not to be had */
  readonly amongOthers?: DecidePlan;
}

export type ReadPlan = KeysReadPlan | AllReadPlan;

/** Looks at single keys, and at no others. */
export interface KeysReadPlan {
  readonly kind: "read";
  readonly keys: readonly Buffer[];
  readonly serve: (reply: ReplyWriter, view: KeyView, session: Session) => "done";
}

/** Looks at more than that. */
export interface AllReadPlan {
  readonly kind: "read";
  readonly keys: "all";
  /** "again": nothing was replied yet, and it is to be called again, now or with a later look */
  readonly serve: (reply: ReplyWriter, view: ReadView) => "done" | "again";
}

/**
 * A write that depends on which of its keys are there and on when they end, not on their
 * values. It is made only while that is so; otherwise it is decided anew.
 */
export interface DecidePlan {
  readonly kind: "decide";
  readonly keys: readonly Buffer[];
  /** @param now the moment of `view`: this node's clock, milliseconds since 1970 */
  readonly decide: (view: KeyView, now: number) => WritePlan;
}

/** Several steps, with nothing else of the connection under way. */
export interface StepsPlan {
  readonly kind: "steps";
  readonly begin: (run: StepsRun) => void;
}

export interface StepsRun {
  readonly reply: ReplyWriter;
  readonly session: Session;
  readonly timeoutMs: number;
  /** whether the connection is gone */
  readonly stopped: () => boolean;
  /** to be called once, when the reply is written */
  readonly done: () => void;
}

/** What may stand in a transaction. */
export type QueueablePlan = LocalPlan | WritePlan | ReadPlan | DecidePlan;
/** What a pipeline runs. */
export type Plan = LocalPlan | LastPlan | WritePlan | ReadPlan | StepsPlan;

/** The transaction that a connection has open, if any, and what it watches. */
export interface Transactions {
  readonly open: boolean;
  begin(): Plan;
  execute(): Plan;
  discard(): Plan;
  watch(keys: readonly Buffer[]): Plan;
  unwatch(): Plan;
  /** as after DISCARD, whatever there was */
  forget(): void;
}

/** What commands may know of the node and its door. */
export interface CommandContext {
  readonly service: NodeService;
  readonly cursors: ScanCursors;
  /** of the reads of all connections */
  readonly turns: ReadTurns;
  /** what the connections keep in their transactions */
  readonly held: HeldSize;
  /** open at this moment, in order of arrival */
  readonly sessions: () => Iterable<Session>;
  readonly table: CommandTable;
}

/** The command's name is not among the arguments: `args[0]` is the first behind it. */
export type Planner = (
  args: readonly Buffer[],
  context: CommandContext,
  transactions: Transactions,
) => Plan | DecidePlan;

export interface CommandSpec {
  /** lower case */
  readonly name: string;
  /** arguments with the name; negative: at least so many */
  readonly arity: number;
  readonly flags: readonly string[];
  /** first, last and step of the keys among the arguments; [0, 0, 0] for none */
  readonly keys: readonly [first: number, last: number, step: number];
  /** Redis' name for what kind of command it is */
  readonly group: "string" | "generic" | "connection" | "server" | "transactions";
  readonly summary: string;
  readonly plan: Planner;
}

export type CommandTable = ReadonlyMap<string, CommandSpec>;

const NO_ID = new Uint8Array(0);

export const SYNTAX = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";

export function refuse(text: string): LocalPlan {
  return {
    kind: "local",
    run: (reply) => {
      reply.error(text);
    },
  };
}

export function refuseSyntax(): LocalPlan {
  return refuse(SYNTAX);
}

/** Refused for its number of arguments when it runs: in a transaction, in its place. @param name lower case */
export function refuseCount(name: string): LocalPlan {
  return refuse(arityText(name));
}

/** No such command: known before it runs, so that a transaction is not begun with it. */
export function reject(text: string): LocalPlan {
  return { rejected: true, ...refuse(text) };
}

/** @param name lower case; a subcommand as "client|id" */
export function rejectArity(name: string): LocalPlan {
  return reject(arityText(name));
}

function arityText(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** @param container upper case, such as "CLIENT" */
export function rejectSubcommand(container: string, subcommand: string): LocalPlan {
  return reject(`ERR unknown subcommand '${quotable(subcommand)}'. Try ${container} HELP.`);
}

export function local(run: (reply: ReplyWriter, session: Session) => void): LocalPlan {
  return { kind: "local", run };
}

export function ok(): LocalPlan {
  return local((reply) => {
    reply.simple("OK");
  });
}

/** A read of single keys. */
export function readKeys(
  keys: readonly Buffer[],
  serve: (reply: ReplyWriter, view: KeyView) => void,
): KeysReadPlan {
  return {
    kind: "read",
    keys,
    serve: (reply, view) => {
      serve(reply, view);
      return "done";
    },
  };
}

/** A read that one look is enough for. */
export function readAll(serve: (reply: ReplyWriter, view: ReadView) => void): AllReadPlan {
  return {
    kind: "read",
    keys: "all",
    serve: (reply, view) => {
      serve(reply, view);
      return "done";
    },
  };
}

export function write(commands: readonly KeyCommand[], answer: WritePlan["answer"]): WritePlan {
  return { kind: "write", commands, answer };
}

export function requestOf({ commands, mode }: WritePlan): Request {
  return mode === undefined ? { id: NO_ID, commands } : { id: NO_ID, commands, mode };
}

/** As much of `text` as Redis quotes in an error: 128 bytes, and not beyond a zero, as C has it. */
export function quotable(text: string, sizeMax = 128): string {
  const zero = text.indexOf("\u0000");
  return text.slice(0, zero < 0 ? sizeMax : Math.min(zero, sizeMax));
}
