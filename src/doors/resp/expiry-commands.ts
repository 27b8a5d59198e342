/** The commands on how long keys live. */
import type { KeyCommand, RequestResult } from "../../store/command.js";
import { parseInteger } from "../../store/integer.js";
import { local, NOT_AN_INTEGER, readKeys, refuse, write } from "./command.js";
import type {
  CommandContext,
  CommandSpec,
  DecidePlan,
  KeyView,
  LocalPlan,
  Planner,
  WritePlan,
} from "./command.js";
import { EXPIRY_MAX, invalidExpiry } from "./expiry-options.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";

const EMPTY = Buffer.alloc(0);
const INT64_MIN_MS = -(2n ** 63n);

/** A command of the EXPIRE family. */
interface Form {
  /** lower case */
  readonly name: string;
  readonly unit: "seconds" | "milliseconds";
  readonly from: "now" | "1970";
}

const CONDITIONS = ["NX", "XX", "GT", "LT"] as const;
type Condition = (typeof CONDITIONS)[number];

function zero(): LocalPlan {
  return local((reply) => {
    reply.integer(0);
  });
}

/** No key is empty: it is as good as absent. */
function expire(args: readonly Buffer[], form: Form): LocalPlan | WritePlan | DecidePlan {
  const [key = EMPTY, timeArg = EMPTY, ...options] = args;
  const conditions = conditionsOf(options);
  if (typeof conditions === "string") return refuse(conditions);
  const number = parseInteger(timeArg);
  if (number === undefined) return refuse(NOT_AN_INTEGER);
  const milliseconds = form.unit === "seconds" ? number * 1000n : number;
  if (milliseconds > EXPIRY_MAX || milliseconds < INT64_MIN_MS) {
    return refuse(invalidExpiry(form.name));
  }
  if (key.length === 0) return zero();
  const time = Number(milliseconds);
  const unconditional = write([expiryCommand(key, time, form)], answerWhetherThere);
  if (conditions.length === 0) return unconditional;
  const decide = (view: KeyView, now: number): WritePlan => {
    const there = view.get(key) !== undefined;
    const remaining = view.remainingOf(key, now);
    const current = remaining === undefined ? undefined : now + remaining;
    const asked = form.from === "now" ? now + time : time;
    const held = there && conditions.every((each) => holds(each, asked, current));
    return held ? unconditional : NOTHING_CHANGED;
  };
  return { kind: "decide", keys: [key], decide };
}

const NOTHING_CHANGED = write([], (reply) => {
  reply.integer(0);
});

/** A moment that has passed deletes. */
function expiryCommand(key: Buffer, time: number, { from }: Form): KeyCommand {
  if (time <= 0) return { kind: "delete", key };
  return from === "now"
    ? { kind: "setExpiry", key, expiry: { kind: "ttl", ttl: time } }
    : { kind: "setExpiry", key, expiry: { kind: "until", time } };
}

function answerWhetherThere(reply: ReplyWriter, result: RequestResult): void {
  if (result.kind === "rejected") reply.error(`ERR the expiry was refused: ${result.reason}`);
  else reply.integer(result.results[0]?.previous === undefined ? 0 : 1);
}

/** Each once at most, or the error's text. */
function conditionsOf(options: readonly Buffer[]): readonly Condition[] | string {
  const found = new Set<Condition>();
  for (const option of options) {
    const text = latin1(option);
    const condition = CONDITIONS.find((each) => each === text.toUpperCase());
    if (condition === undefined) return `ERR Unsupported option ${text}`;
    found.add(condition);
  }
  if (found.has("NX") && found.size > 1) {
    return "ERR NX and XX, GT or LT options at the same time are not compatible";
  }
  if (found.has("GT") && found.has("LT")) {
    return "ERR GT and LT options at the same time are not compatible";
  }
  return [...found];
}

/** Without an end a key lives longer than any. @param current when the key ends; undefined: never */
function holds(condition: Condition, asked: number, current: number | undefined): boolean {
  switch (condition) {
    case "NX":
      return current === undefined;
    case "XX":
      return current !== undefined;
    case "GT":
      return current !== undefined && asked > current;
    case "LT":
      return current === undefined || asked < current;
  }
}

/** @param found what is replied, milliseconds, for a key that ends; -1 for one that does not, -2 for none */
function time(found: (remaining: number, now: number) => number): Planner {
  return ([key = EMPTY], { service }: CommandContext) =>
    readKeys([key], (reply, view) => {
      const now = service.wallTime();
      const remaining = view.remainingOf(key, now);
      if (remaining !== undefined) reply.integer(found(remaining, now));
      else reply.integer(view.get(key) === undefined ? -2 : -1);
    });
}

/** As Redis rounds. */
function seconds(milliseconds: number): number {
  return Math.floor((milliseconds + 500) / 1000);
}

function persist(args: readonly Buffer[]): LocalPlan | WritePlan {
  const [key = EMPTY] = args;
  if (key.length === 0) return zero();
  return write([{ kind: "setExpiry", key }], (reply, result) => {
    const previous = result.kind === "applied" ? result.results[0]?.previous : undefined;
    reply.integer(previous?.lease === undefined ? 0 : 1);
  });
}

const WRITE = ["write", "fast"];
const READ = ["readonly", "fast"];

const FORMS: readonly (readonly [form: Form, summary: string])[] = [
  [
    { name: "expire", unit: "seconds", from: "now" },
    "Sets how long a key lives, in seconds (NX, XX, GT, LT).",
  ],
  [
    { name: "pexpire", unit: "milliseconds", from: "now" },
    "Sets how long a key lives, in milliseconds (NX, XX, GT, LT).",
  ],
  [
    { name: "expireat", unit: "seconds", from: "1970" },
    "Sets when a key ends, in Unix seconds (NX, XX, GT, LT).",
  ],
  [
    { name: "pexpireat", unit: "milliseconds", from: "1970" },
    "Sets when a key ends, in Unix milliseconds (NX, XX, GT, LT).",
  ],
];

const TIMES: readonly (readonly [name: string, summary: string, plan: Planner])[] = [
  ["ttl", "Returns how long a key has to live, in seconds.", time((left) => seconds(left))],
  ["pttl", "Returns how long a key has to live, in milliseconds.", time((left) => left)],
  [
    "expiretime",
    "Returns when a key ends, in Unix seconds.",
    time((left, now) => seconds(now + left)),
  ],
  [
    "pexpiretime",
    "Returns when a key ends, in Unix milliseconds.",
    time((left, now) => now + left),
  ],
];

export const EXPIRY_COMMANDS: readonly CommandSpec[] = [
  ...FORMS.map(([form, summary]) => ({
    name: form.name,
    arity: -3,
    flags: WRITE,
    keys: [1, 1, 1] as const,
    group: "generic" as const,
    summary,
    plan: (args: readonly Buffer[]) => expire(args, form),
  })),
  ...TIMES.map(([name, summary, plan]) => ({
    name,
    arity: 2,
    flags: READ,
    keys: [1, 1, 1] as const,
    group: "generic" as const,
    summary,
    plan,
  })),
  {
    name: "persist",
    arity: 2,
    flags: WRITE,
    keys: [1, 1, 1],
    group: "generic",
    summary: "Lets a key live until it is deleted.",
    plan: persist,
  },
];
