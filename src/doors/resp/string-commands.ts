/** The commands on strings: what a key holds. */
import { INT64_MIN, parseInteger } from "../../store/integer.js";
import type {
  Expiry,
  KeyCommand,
  KeyValue,
  Put,
  PutCondition,
  RequestResult,
  SetExpiry,
} from "../../store/command.js";
import {
  NOT_AN_INTEGER,
  readKeys,
  refuse,
  refuseCount,
  refuseSyntax,
  SYNTAX,
  write,
} from "./command.js";
import type { CommandContext, CommandSpec, Plan } from "./command.js";
import { expiryArgument, expiryOf } from "./expiry-options.js";
import type { ExpiryArgument, ExpiryOption } from "./expiry-options.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";

const EMPTY = Buffer.alloc(0);
/** Bytes of values in one reply: well below what may be unsent before a client is cut off. */
const REPLY_SIZE_MAX = 32 * 1024 * 1024;

function get(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return readKeys([key], (reply, view) => {
    reply.bulkOrNull(view.get(key)?.value);
  });
}

function strlen(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return readKeys([key], (reply, view) => {
    reply.integer(view.get(key)?.value.length ?? 0);
  });
}

function mget(args: readonly Buffer[]): Plan {
  return readKeys(args, (reply, view) => {
    const values: (Uint8Array | undefined)[] = [];
    let size = 0;
    for (const key of args) {
      const value = view.get(key)?.value;
      size += value?.length ?? 0;
      if (size > REPLY_SIZE_MAX) {
        reply.error(
          `ERR the values of the first ${values.length + 1} keys have ${size} bytes, and one reply ` +
            `at most ${REPLY_SIZE_MAX}: ask for fewer at once`,
        );
        return;
      }
      values.push(value);
    }
    reply.array(args.length);
    for (const value of values) reply.bulkOrNull(value);
  });
}

function put(key: Buffer, value: Buffer, condition: PutCondition = "none", expiry?: Expiry): Put {
  const plain = { kind: "put" as const, key, value, condition };
  return expiry === undefined ? plain : { expiry, ...plain };
}

interface SetOptions {
  readonly condition: PutCondition;
  readonly wantsPrevious: boolean;
  readonly expiry: Expiry | undefined;
}

/** The options of SET, or the error's text. */
function setOptions(options: readonly Buffer[]): SetOptions | string {
  let condition: PutCondition = "none";
  let wantsPrevious = false;
  let keep = false;
  let expiry: ExpiryArgument | undefined;
  for (let i = 0; i < options.length; i++) {
    const option = latin1(options[i] ?? EMPTY).toUpperCase();
    const timed = keep ? undefined : expiryArgument(options, i, expiry);
    if (timed !== undefined) {
      expiry = timed;
      i++;
    } else if (option === "GET") {
      wantsPrevious = true;
    } else if (option === "NX" && condition !== "present") {
      condition = "absent";
    } else if (option === "XX" && condition !== "absent") {
      condition = "present";
    } else if (option === "KEEPTTL" && expiry === undefined) {
      keep = true;
    } else {
      return SYNTAX;
    }
  }
  if (expiry === undefined) {
    return { condition, wantsPrevious, expiry: keep ? { kind: "keep" } : undefined };
  }
  const parsed = expiryOf(expiry, "set");
  return typeof parsed === "string" ? parsed : { condition, wantsPrevious, expiry: parsed };
}

function set(args: readonly Buffer[], { service }: CommandContext): Plan {
  const [key = EMPTY, value = EMPTY, ...rest] = args;
  const options = setOptions(rest);
  if (typeof options === "string") return refuse(options);
  const { condition, wantsPrevious, expiry } = options;
  if (expiry?.kind === "until" && expiry.time <= service.wallTime() && key.length > 0) {
    return setPast(key, condition, wantsPrevious);
  }
  return write([put(key, value, condition, expiry)], (reply, result) => {
    if (tryReplyingRefusal(reply, result)) return;
    if (wantsPrevious) reply.bulkOrNull(previousValue(result));
    else if (result.kind === "applied") reply.simple("OK");
    else reply.null();
  });
}

/** A SET of a key that has ended already: what there was goes, and nothing comes. */
function setPast(key: Buffer, condition: PutCondition, wantsPrevious: boolean): Plan {
  const answer = (reply: ReplyWriter, previous: KeyValue | undefined): void => {
    const done = condition === "none" || (previous === undefined) === (condition === "absent");
    if (wantsPrevious) reply.bulkOrNull(previous?.value);
    else if (done) reply.simple("OK");
    else reply.null();
  };
  if (condition === "absent") {
    return readKeys([key], (reply, view) => {
      answer(reply, view.get(key));
    });
  }
  return write([{ kind: "delete", key }], (reply, result) => {
    answer(reply, result.kind === "applied" ? result.results[0]?.previous : undefined);
  });
}

/** Replies that the store took no expiry (there are as many as there may be); false when that is not so. */
function tryReplyingRefusal(reply: ReplyWriter, result: RequestResult): boolean {
  if (result.kind === "applied" || result.reason === "condition-failed") return false;
  reply.error(`ERR the expiry was refused: ${result.reason}`);
  return true;
}

/** SETEX and PSETEX. */
function setWithExpiry(name: string, option: ExpiryOption): CommandSpec["plan"] {
  return ([key = EMPTY, time = EMPTY, value = EMPTY]) => {
    const expiry = expiryOf({ option, value: time }, name);
    if (typeof expiry === "string") return refuse(expiry);
    return write([put(key, value, "none", expiry)], (reply, result) => {
      if (!tryReplyingRefusal(reply, result)) reply.simple("OK");
    });
  };
}

/** An absent key is told before a wrong time, as in Redis. */
function getex(args: readonly Buffer[]): Plan {
  const [key = EMPTY, ...options] = args;
  let persist = false;
  let argument: ExpiryArgument | undefined;
  for (let i = 0; i < options.length; i++) {
    const timed = persist ? undefined : expiryArgument(options, i, argument);
    if (timed !== undefined) {
      argument = timed;
      i++;
    } else if (latin1(options[i] ?? EMPTY).toUpperCase() === "PERSIST" && argument === undefined) {
      persist = true;
    } else {
      return refuseSyntax();
    }
  }
  if (persist) return changeExpiry({ kind: "setExpiry", key });
  if (argument === undefined) return get([key]);
  const expiry = expiryOf(argument, "getex");
  if (typeof expiry !== "string") return changeExpiry({ kind: "setExpiry", key, expiry });
  return readKeys([key], (reply, view) => {
    if (view.get(key) === undefined) reply.null();
    else reply.error(expiry);
  });
}

/** No key is empty: there is nothing to change. */
function changeExpiry(command: SetExpiry): Plan {
  if (command.key.length === 0) return get([EMPTY]);
  return write([command], (reply, result) => {
    if (!tryReplyingRefusal(reply, result)) reply.bulkOrNull(previousValue(result));
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

function putPairs(args: readonly Buffer[], condition: PutCondition): KeyCommand[] {
  const commands: KeyCommand[] = [];
  for (let i = 0; i < args.length; i += 2) {
    commands.push(put(args[i] ?? EMPTY, args[i + 1] ?? EMPTY, condition));
  }
  return commands;
}

function mset(args: readonly Buffer[]): Plan {
  if (args.length % 2 !== 0) return refuseCount("mset");
  return write(putPairs(args, "none"), (reply) => {
    reply.simple("OK");
  });
}

function msetnx(args: readonly Buffer[]): Plan {
  if (args.length % 2 !== 0) return refuseCount("msetnx");
  const alone = write(putPairs(args, "absent"), answerWhetherApplied);
  const keys = args.filter((_arg, i) => i % 2 === 0);
  return {
    amongOthers: {
      kind: "decide",
      keys,
      decide: (view) =>
        keys.every((key) => view.get(key) === undefined)
          ? write(putPairs(args, "none"), answerWhetherApplied)
          : NOTHING_SET,
    },
    ...alone,
  };
}

const NOTHING_SET = write([], (reply) => {
  reply.integer(0);
});

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
  [
    "set",
    -3,
    WRITE,
    [1, 1, 1],
    "Sets the string value of a key (NX, XX, GET, EX, PX, EXAT, PXAT, KEEPTTL).",
    set,
  ],
  [
    "setex",
    4,
    WRITE,
    [1, 1, 1],
    "Sets the value of a key and how long it lives, in seconds.",
    setWithExpiry("setex", "EX"),
  ],
  [
    "psetex",
    4,
    WRITE,
    [1, 1, 1],
    "Sets the value of a key and how long it lives, in milliseconds.",
    setWithExpiry("psetex", "PX"),
  ],
  [
    "getex",
    -2,
    ["write", "fast"],
    [1, 1, 1],
    "Returns the value of a key and sets how long it lives (EX, PX, EXAT, PXAT, PERSIST).",
    getex,
  ],
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
