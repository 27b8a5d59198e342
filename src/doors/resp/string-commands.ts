/** The commands on strings: what a key holds. */
import { INT64_MIN, parseInteger } from "../../store/integer.js";
import type { Command, PutCondition, RequestResult } from "../../store/command.js";
import { NOT_AN_INTEGER, read, refuse, refuseArity, refuseSyntax, write } from "./command.js";
import type { CommandSpec, Plan } from "./command.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";

const EMPTY = Buffer.alloc(0);
const EXPIRY_OPTIONS = new Set(["EX", "PX", "EXAT", "PXAT", "KEEPTTL"]);

function get(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return read((reply, view) => {
    reply.bulkOrNull(view.get(key)?.value);
  });
}

function strlen(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return read((reply, view) => {
    reply.integer(view.get(key)?.value.length ?? 0);
  });
}

function mget(args: readonly Buffer[]): Plan {
  return read((reply, view) => {
    reply.array(args.length);
    for (const key of args) reply.bulkOrNull(view.get(key)?.value);
  });
}

function put(key: Buffer, value: Buffer, condition: PutCondition = "none"): Command {
  return { kind: "put", key, value, condition };
}

function set(args: readonly Buffer[]): Plan {
  const [key = EMPTY, value = EMPTY, ...options] = args;
  let condition: PutCondition = "none";
  let wantsPrevious = false;
  let wantsExpiry = false;
  for (let i = 0; i < options.length; i++) {
    const option = latin1(options[i] ?? EMPTY).toUpperCase();
    if (option === "GET") {
      wantsPrevious = true;
    } else if (option === "NX" && condition !== "present") {
      condition = "absent";
    } else if (option === "XX" && condition !== "absent") {
      condition = "present";
    } else if (EXPIRY_OPTIONS.has(option) && !wantsExpiry) {
      wantsExpiry = true;
      if (option !== "KEEPTTL" && ++i >= options.length) return refuseSyntax();
    } else {
      return refuseSyntax();
    }
  }
  if (wantsExpiry) return refuse("ERR expiry is not supported yet");
  return write([put(key, value, condition)], (reply, result) => {
    if (wantsPrevious) reply.bulkOrNull(previousValue(result));
    else if (result.kind === "applied") reply.simple("OK");
    else reply.null();
  });
}

/** What the first key held before the request, done or refused. */
function previousValue(result: RequestResult): Uint8Array | undefined {
  return result.kind === "applied" ? result.results[0]?.previous?.value : result.current?.value;
}

function setnx(args: readonly Buffer[]): Plan {
  const [key = EMPTY, value = EMPTY] = args;
  return write([put(key, value, "absent")], answerWhetherApplied);
}

function getset(args: readonly Buffer[]): Plan {
  const [key = EMPTY, value = EMPTY] = args;
  return write([put(key, value)], (reply, result) => {
    reply.bulkOrNull(previousValue(result));
  });
}

function getdel(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return write([{ kind: "delete", key }], (reply, result) => {
    reply.bulkOrNull(previousValue(result));
  });
}

function answerWhetherApplied(reply: ReplyWriter, result: RequestResult): void {
  reply.integer(result.kind === "applied" ? 1 : 0);
}

function putPairs(args: readonly Buffer[], condition: PutCondition): Command[] {
  const commands: Command[] = [];
  for (let i = 0; i < args.length; i += 2) {
    commands.push(put(args[i] ?? EMPTY, args[i + 1] ?? EMPTY, condition));
  }
  return commands;
}

function mset(args: readonly Buffer[]): Plan {
  if (args.length % 2 !== 0) return refuseArity("mset");
  return write(putPairs(args, "none"), (reply) => {
    reply.simple("OK");
  });
}

function msetnx(args: readonly Buffer[]): Plan {
  if (args.length % 2 !== 0) return refuseArity("msetnx");
  return write(putPairs(args, "absent"), answerWhetherApplied);
}

function increment(key: Buffer, by: bigint): Plan {
  return write([{ kind: "increment", key, by }], (reply, result) => {
    if (result.kind === "applied") {
      reply.integer(latin1(result.results[0]?.current?.value ?? EMPTY));
    } else if (result.reason === "overflow") {
      reply.error("ERR increment or decrement would overflow");
    } else {
      reply.error(NOT_AN_INTEGER);
    }
  });
}

function incrby(args: readonly Buffer[]): Plan {
  const [key = EMPTY, amount = EMPTY] = args;
  const by = parseInteger(amount);
  return by === undefined ? refuse(NOT_AN_INTEGER) : increment(key, by);
}

function decrby(args: readonly Buffer[]): Plan {
  const [key = EMPTY, amount = EMPTY] = args;
  const by = parseInteger(amount);
  if (by === undefined) return refuse(NOT_AN_INTEGER);
  // Its negation is no int64.
  if (by === INT64_MIN) return refuse("ERR decrement would overflow");
  return increment(key, -by);
}

function append(args: readonly Buffer[]): Plan {
  const [key = EMPTY, value = EMPTY] = args;
  return write([{ kind: "append", key, value }], (reply, result) => {
    if (result.kind === "applied") reply.integer(result.results[0]?.current?.value.length ?? 0);
    else reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  });
}

const READ = ["readonly", "fast"];
const WRITE = ["write", "denyoom"];
const FAST_WRITE = ["write", "denyoom", "fast"];

/** Every row: name, arity, flags, keys, summary, planner. */
const ROWS: readonly (readonly [
  string,
  number,
  readonly string[],
  CommandSpec["keys"],
  string,
  CommandSpec["plan"],
])[] = [
  ["get", 2, READ, [1, 1, 1], "Returns the string value of a key.", get],
  ["set", -3, WRITE, [1, 1, 1], "Sets the string value of a key (NX, XX, GET).", set],
  [
    "setnx",
    3,
    FAST_WRITE,
    [1, 1, 1],
    "Sets the value of a key only when it does not exist.",
    setnx,
  ],
  ["getset", 3, FAST_WRITE, [1, 1, 1], "Sets a key and returns its previous value.", getset],
  ["getdel", 2, ["write", "fast"], [1, 1, 1], "Deletes a key and returns its value.", getdel],
  ["mget", -2, READ, [1, -1, 1], "Returns the values of one or more keys.", mget],
  ["mset", -3, WRITE, [1, -1, 2], "Sets several keys, atomically.", mset],
  ["msetnx", -3, WRITE, [1, -1, 2], "Sets several keys, all or none, when none exists.", msetnx],
  [
    "incr",
    2,
    FAST_WRITE,
    [1, 1, 1],
    "Adds one to an integer.",
    ([key = EMPTY]) => increment(key, 1n),
  ],
  ["incrby", 3, FAST_WRITE, [1, 1, 1], "Adds a number to an integer.", incrby],
  [
    "decr",
    2,
    FAST_WRITE,
    [1, 1, 1],
    "Takes one from an integer.",
    ([key = EMPTY]) => increment(key, -1n),
  ],
  ["decrby", 3, FAST_WRITE, [1, 1, 1], "Takes a number from an integer.", decrby],
  ["append", 3, FAST_WRITE, [1, 1, 1], "Appends a string to the value of a key.", append],
  ["strlen", 2, READ, [1, 1, 1], "Returns the length of a value in bytes.", strlen],
];

export const STRING_COMMANDS: readonly CommandSpec[] = ROWS.map(
  ([name, arity, flags, keys, summary, plan]) => ({
    name,
    arity,
    flags,
    keys,
    group: "string",
    summary,
    plan,
  }),
);
