/** The commands on keys, whatever they hold, and on the whole key space. */
import { parseInteger } from "../../store/integer.js";
import { prefixEnd } from "../../store/key-order.js";
import type { RequestResult } from "../../store/command.js";
import {
  local,
  NOT_AN_INTEGER,
  readAll,
  readKeys,
  refuse,
  refuseSyntax,
  write,
} from "./command.js";
import type { CommandContext, CommandSpec, Plan, ReadView } from "./command.js";
import { Glob } from "./glob.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";

const EMPTY = Buffer.alloc(0);
const EVERY_KEY = Buffer.from("*");
/** Keys looked at in one go: a few milliseconds, far below an election timeout. */
const PAGE_KEYS_MAX = 10_000;
/** Bytes of them and of their values, which are not copied. */
const PAGE_SIZE_MAX = 1024 * 1024;
/** Steps of matching in one go: the same few milliseconds. One key more than that is matched all the same. */
const PAGE_STEPS_MAX = 4_000_000;
const SCAN_COUNT_DEFAULT = 10;
const CURSOR_MAX = 2n ** 64n - 1n;

function del(args: readonly Buffer[]): Plan {
  // No key is empty, so that deleting it is as good as done.
  const keys = args.filter((key) => key.length > 0);
  if (keys.length === 0) {
    return local((reply) => {
      reply.integer(0);
    });
  }
  return write(
    keys.map((key) => ({ kind: "delete", key })),
    (reply, result) => {
      reply.integer(deletedCount(result));
    },
  );
}

function deletedCount(result: RequestResult): number {
  if (result.kind !== "applied") return 0;
  return result.results.reduce((sum, each) => sum + each.deletedCount, 0);
}

function exists(args: readonly Buffer[]): Plan {
  return readKeys(args, (reply, view) => {
    reply.integer(args.filter((key) => view.get(key) !== undefined).length);
  });
}

function type(args: readonly Buffer[]): Plan {
  const [key = EMPTY] = args;
  return readKeys([key], (reply, view) => {
    reply.simple(view.get(key) === undefined ? "none" : "string");
  });
}

function dbsize(): Plan {
  return readAll((reply, view) => {
    reply.integer(view.size);
  });
}

function flush(args: readonly Buffer[]): Plan {
  const [mode] = args;
  const known = mode === undefined || ["SYNC", "ASYNC"].includes(latin1(mode).toUpperCase());
  if (args.length > 1 || !known) return refuseSyntax();
  return write([{ kind: "deleteRange", key: EMPTY, end: EMPTY }], (reply) => {
    reply.simple("OK");
  });
}

interface Walked {
  readonly found: readonly Uint8Array[];
  /** the last key that was looked at; undefined when there is none behind it */
  readonly last: Uint8Array | undefined;
}

/** Looks for matches of the glob from a key on: among so many keys, or fewer when they are much work. */
function walk(view: ReadView, glob: Glob, from: Uint8Array, countMax: number): Walked {
  const page = view.range(from, prefixEnd(glob.prefix), countMax, PAGE_SIZE_MAX);
  const found: Uint8Array[] = [];
  let steps = 0;
  for (const [i, { key }] of page.keyValues.entries()) {
    if (glob.matches(key)) found.push(key);
    steps += glob.stepsFor(key);
    const isLast = i + 1 === page.keyValues.length;
    if (isLast ? page.more : steps >= PAGE_STEPS_MAX) return { found, last: key };
  }
  return { found, last: undefined };
}

/**
 * KEYS. Looks at a page of keys at a time, so that a large store does not stop the
 * node's heart; beyond one page the reply is not of one moment.
 */
function keys(args: readonly Buffer[]): Plan {
  const [pattern = EMPTY] = args;
  const found: Uint8Array[] = [];
  let glob: Glob | undefined;
  let from: Uint8Array | undefined;
  return {
    kind: "read",
    keys: "all",
    serve: (reply, view) => {
      // Made here: a pattern that waits to be asked for takes no more room than it came with.
      glob ??= new Glob(pattern);
      const walked = walk(view, glob, from ?? glob.prefix, PAGE_KEYS_MAX);
      for (const key of walked.found) found.push(key);
      if (walked.last !== undefined) {
        from = keyAfter(walked.last);
        return "again";
      }
      glob = undefined;
      replyKeys(reply, found);
      return "done";
    },
  };
}

function replyKeys(reply: ReplyWriter, found: readonly Uint8Array[]): void {
  reply.array(found.length);
  for (const key of found) reply.bulk(key);
}

/** The least key that sorts behind `key`. */
function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

interface ScanOptions {
  readonly pattern: Buffer;
  readonly count: number;
  readonly strings: boolean;
}

/** The options behind the cursor, or the error's text. */
function scanOptions(args: readonly Buffer[]): ScanOptions | string {
  let pattern: Buffer = EVERY_KEY;
  let count = SCAN_COUNT_DEFAULT;
  let strings = true;
  for (let i = 0; i < args.length; i += 2) {
    const option = latin1(args[i] ?? EMPTY).toUpperCase();
    const value = args[i + 1];
    if (value === undefined) return "ERR syntax error";
    if (option === "MATCH") {
      pattern = value;
    } else if (option === "COUNT") {
      const number = parseInteger(value);
      if (number === undefined) return NOT_AN_INTEGER;
      if (number < 1n) return "ERR syntax error";
      count = number > BigInt(PAGE_KEYS_MAX) ? PAGE_KEYS_MAX : Number(number);
    } else if (option === "TYPE") {
      strings = latin1(value).toLowerCase() === "string";
    } else {
      return "ERR syntax error";
    }
  }
  return { pattern, count, strings };
}

function scan(args: readonly Buffer[], { cursors }: CommandContext): Plan {
  const [cursorArg = EMPTY, ...rest] = args;
  const text = latin1(cursorArg);
  if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) > CURSOR_MAX) return refuse("ERR invalid cursor");
  const cursor = BigInt(text).toString();
  const options = scanOptions(rest);
  if (typeof options === "string") return refuse(options);
  const { pattern, count, strings } = options;
  return readAll((reply, view) => {
    const glob = new Glob(pattern);
    const after = cursor === "0" ? undefined : cursors.find(cursor);
    if (cursor !== "0" && after === undefined) {
      reply.error(
        "ERR invalid cursor: not given by this node, or its scan was left too long; begin again at 0",
      );
      return;
    }
    const from = after === undefined ? glob.prefix : later(keyAfter(after), glob.prefix);
    const { found, last } = walk(view, glob, from, count);
    reply.array(2);
    reply.bulkText(last === undefined ? "0" : cursors.advance(cursor, last));
    replyKeys(reply, strings ? found : []);
  });
}

/** The one of two keys that sorts last. */
function later(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Buffer.compare(a, b) >= 0 ? a : b;
}

const READ = ["readonly"];
const FAST_READ = ["readonly", "fast"];
const NO_KEYS = [0, 0, 0] as const;

export const KEY_COMMANDS: readonly CommandSpec[] = [
  {
    name: "del",
    arity: -2,
    flags: ["write"],
    keys: [1, -1, 1],
    group: "generic",
    summary: "Deletes one or more keys.",
    plan: del,
  },
  {
    name: "unlink",
    arity: -2,
    flags: ["write", "fast"],
    keys: [1, -1, 1],
    group: "generic",
    summary: "Deletes one or more keys.",
    plan: del,
  },
  {
    name: "exists",
    arity: -2,
    flags: FAST_READ,
    keys: [1, -1, 1],
    group: "generic",
    summary: "Counts which of the keys exist.",
    plan: exists,
  },
  {
    name: "type",
    arity: 2,
    flags: FAST_READ,
    keys: [1, 1, 1],
    group: "generic",
    summary: "Returns the type of value a key holds.",
    plan: type,
  },
  {
    name: "scan",
    arity: -2,
    flags: READ,
    keys: NO_KEYS,
    group: "generic",
    summary: "Walks over the keys, some at a time.",
    plan: scan,
  },
  {
    name: "keys",
    arity: 2,
    flags: READ,
    keys: NO_KEYS,
    group: "generic",
    summary: "Returns all keys that match a pattern.",
    plan: keys,
  },
  {
    name: "dbsize",
    arity: 1,
    flags: FAST_READ,
    keys: NO_KEYS,
    group: "server",
    summary: "Returns the number of keys.",
    plan: dbsize,
  },
  {
    name: "flushdb",
    arity: -1,
    flags: ["write"],
    keys: NO_KEYS,
    group: "server",
    summary: "Removes all keys.",
    plan: flush,
  },
  {
    name: "flushall",
    arity: -1,
    flags: ["write"],
    keys: NO_KEYS,
    group: "server",
    summary: "Removes all keys.",
    plan: flush,
  },
];
