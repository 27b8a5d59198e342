/**
 * What redis clients of a simulated cluster do:
 *
 *   alone      many commands at once on a key that only this connection uses: every reply is
 *              known beforehand, in its order
 *   shared     a few commands at once on keys that everybody uses: their history is linearizable
 *   queued     MULTI, lists read and appended to, EXEC: their history is serializable
 *   watched    WATCH, a look, then MULTI and EXEC on what was seen: as well
 *   expiring   keys with a time to live
 */
import type { ListHistory } from "./list-clients.js";
import type { RegisterInput, RegisterOutput } from "./linearizability.js";
import type { RandomStream } from "./random.js";
import { toldBy, type Command, type RespScript, type Told } from "./resp-client.js";
import type { Reply } from "./resp-reply.js";
import type { Workload } from "./workload.js";

export interface RespScriptsOptions {
  /** of the client, unique */
  readonly name: string;
  readonly random: RandomStream;
  readonly workload: Workload;
  readonly lists: ListHistory;
  readonly keyCount: number;
}

/** Keys that hold numbers, beside those of everybody. */
const COUNTER_COUNT = 2;
const EXPIRING_KEY_COUNT = 4;
/** Milliseconds. */
const TTL_MS_MAX = 1500;

export class RespScripts {
  readonly #options: RespScriptsOptions;
  #count = 0;
  /** a key of one connection alone, and what it holds */
  #own:
    { readonly connection: number; readonly key: string; value: string | undefined } | undefined;

  constructor(options: RespScriptsOptions) {
    this.#options = options;
  }

  next(connection: number): RespScript {
    const dice = this.#options.random.next();
    if (dice < 0.25) return this.#alone(connection);
    if (dice < 0.5) return this.#shared();
    if (dice < 0.7) return this.#queued();
    if (dice < 0.9) return this.#watched();
    return this.#expiring();
  }

  #newValue(): string {
    this.#count += 1;
    return `${this.#options.name}-${this.#count}`;
  }

  // ---- alone -----------------------------------------------------------------

  *#alone(connection: number): RespScript {
    const { random } = this.#options;
    if (this.#own?.connection !== connection)
      this.#own = { connection, key: this.#newValue(), value: undefined };
    const own = this.#own;
    const expected: Reply[] = [];
    const isTransaction = random.chance(0.3);
    const commands = Array.from({ length: random.integer(2, 8) }, () => {
      const { command, reply, value } = this.#predict(own.key, own.value);
      expected.push(reply);
      own.value = value;
      return command;
    });
    const replies = yield isTransaction ? [["MULTI"], ...commands, ["EXEC"]] : commands;
    const wanted = isTransaction ? asTransaction(expected) : expected;
    wanted.forEach((reply, at) => {
      // What comes behind an error may have met something else.
      if (this.#own !== own) return;
      if (isLost(replies[at])) this.#own = undefined;
      else if (!areEqual(reply, replies[at])) {
        throw new Error(
          `resp: on a key that nobody else uses, answer ${at + 1} to ${JSON.stringify(commands)} ` +
            `is ${JSON.stringify(replies[at])} instead of ${JSON.stringify(reply)}`,
        );
      }
    });
  }

  /** A command on the own key, what it is answered, and what the key is behind it. */
  #predict(
    key: string,
    value: string | undefined,
  ): { command: Command; reply: Reply; value: string | undefined } {
    const { random } = this.#options;
    const said = this.#newValue();
    const there = value !== undefined;
    switch (random.integer(0, 5)) {
      case 0:
        return { command: ["SET", key, said], reply: OK, value: said };
      case 1: {
        const number = String(this.#count);
        return { command: ["SET", key, number], reply: OK, value: number };
      }
      case 2: {
        const all = `${value ?? ""}${said}`;
        return { command: ["APPEND", key, said], reply: numberOf(all.length), value: all };
      }
      case 3: {
        const isNumber = /^[0-9]+$/.test(value ?? "0");
        const next = String(Number(value ?? "0") + 1);
        return isNumber
          ? { command: ["INCR", key], reply: { kind: "number", text: next }, value: next }
          : { command: ["INCR", key], reply: NOT_A_NUMBER, value };
      }
      case 4:
        return { command: ["DEL", key], reply: numberOf(there ? 1 : 0), value: undefined };
      default:
        return { command: ["GET", key], reply: bulkOf(value), value };
    }
  }

  // ---- shared ----------------------------------------------------------------

  *#shared(): RespScript {
    const { random, workload } = this.#options;
    const operations = Array.from({ length: random.integer(1, 4) }, () => this.#chooseShared());
    const written = operations.map(({ key, input }) => workload.record(key, input));
    const replies = yield operations.map(({ key, input }) => commandOf(key, input));
    written.forEach((record, at) => {
      const input = operations[at]?.input ?? { kind: "get" };
      const told = toldBy(replies[at]);
      if (told.kind === "answered") record(outputOf(input, told.reply), false);
      else record(undefined, told.kind === "void" || input.kind === "get");
    });
  }

  #chooseShared(): { readonly key: string; readonly input: RegisterInput } {
    const { random, keyCount } = this.#options;
    const isCounter = random.chance(0.4);
    const key = isCounter
      ? `n${random.integer(1, COUNTER_COUNT)}`
      : `k${random.integer(0, keyCount - 1)}`;
    const dice = random.next();
    const value = this.#newValue();
    if (dice < 0.4) return { key, input: { kind: "get" } };
    if (isCounter || dice > 0.95) return { key, input: { kind: "increment" } };
    if (dice < 0.8) return { key, input: { kind: "put", value } };
    if (dice < 0.88) return { key, input: { kind: "delete" } };
    return { key, input: { kind: "putIfAbsent", value } };
  }

  // ---- transactions on lists ---------------------------------------------------

  *#queued(): RespScript {
    const { random, lists } = this.#options;
    const recorded = lists.begin(`queued ${this.#newValue()}`);
    const keys = lists.someKeys(random);
    const appended = keys.filter((_, at) => at === 0 || random.chance(0.5));
    const commands = keys.flatMap((key): Command[] => [
      ["GET", key],
      ...(appended.includes(key) ? [["APPEND", key, `${lists.append(recorded, key)},`]] : []),
    ]);
    const replies = yield [["MULTI"], ...commands, ["EXEC"]];
    const told = toldOf(replies, commands.length + 2);
    if (told.kind === "answered") {
      const items = told.reply.kind === "array" ? told.reply.items : [];
      const found = items.filter((_, at) => commands[at]?.[0] === "GET");
      keys.forEach((key, at) => {
        lists.noteRead(recorded, key, textOf(found[at]));
      });
    }
    if (told.kind !== "unknown")
      lists.end(recorded, told.kind === "void" ? "aborted" : "committed");
  }

  *#watched(): RespScript {
    const { random, lists } = this.#options;
    const recorded = lists.begin(`watched ${this.#newValue()}`);
    const keys = lists.someKeys(random);
    const looked = yield [["WATCH", ...keys], ...keys.map((key) => ["GET", key])];
    if (looked.length <= keys.length || looked.some(({ kind }) => kind === "error")) {
      lists.end(recorded, "aborted");
      yield [["UNWATCH"]];
      return;
    }
    const puts = keys.flatMap((key, at): Command[] => {
      const before = textOf(looked[at + 1]);
      lists.noteRead(recorded, key, before);
      if (at > 0 && random.chance(0.4)) return [];
      return [["SET", key, `${before}${lists.append(recorded, key)},`]];
    });
    const replies = yield [["MULTI"], ...puts, ["EXEC"]];
    const told = toldOf(replies, puts.length + 2);
    if (told.kind === "unknown") return;
    const isDone = told.kind === "answered" && told.reply.kind === "array";
    lists.end(recorded, isDone ? "committed" : "aborted");
  }

  // ---- keys that end by themselves -----------------------------------------------

  *#expiring(): RespScript {
    const { random } = this.#options;
    const key = `e${random.integer(1, EXPIRING_KEY_COUNT)}`;
    const ttl = String(random.integer(50, TTL_MS_MAX));
    const commands: readonly Command[] = [
      ["SET", key, this.#newValue(), "PX", ttl],
      ["PEXPIRE", key, ttl],
      ["PERSIST", key],
      ["SET", key, this.#newValue(), "KEEPTTL"],
      ["APPEND", key, "."],
      ["SET", key, this.#newValue()],
      ["DEL", key],
    ];
    for (const reply of yield [
      random.chance(0.5) ? random.pick(commands.slice(0, 2)) : random.pick(commands),
    ])
      toldBy(reply);
  }
}

const OK: Reply = { kind: "status", text: "OK" };
const QUEUED: Reply = { kind: "status", text: "QUEUED" };
/** its text is the door's affair */
const NOT_A_NUMBER: Reply = { kind: "error", text: "" };

function numberOf(number: number): Reply {
  return { kind: "number", text: String(number) };
}

function bulkOf(text: string | undefined): Reply {
  return text === undefined ? { kind: "nothing" } : { kind: "bulk", text };
}

function asTransaction(expected: readonly Reply[]): readonly Reply[] {
  return [OK, ...expected.map(() => QUEUED), { kind: "array", items: expected }];
}

/** Whether an answer is one that proves nothing of what comes behind it. */
function isLost(reply: Reply | undefined): boolean {
  return toldBy(reply).kind !== "answered";
}

function areEqual(wanted: Reply, reply: Reply | undefined): boolean {
  if (wanted.kind !== reply?.kind) return false;
  if (wanted.kind === "array") {
    const items = reply.kind === "array" ? reply.items : [];
    const isEach = wanted.items.every((item, at) => areEqual(item, items[at]));
    return isEach && items.length === wanted.items.length;
  }
  if (wanted.kind === "nothing" || wanted === NOT_A_NUMBER) return true;
  return "text" in reply && reply.text === wanted.text;
}

/** Of a transaction: what its EXEC was answered. A refused MULTI or command is told by EXEC too. */
function toldOf(replies: readonly Reply[], count: number): Told {
  return replies.length < count ? { kind: "unknown" } : toldBy(replies[count - 1]);
}

function textOf(reply: Reply | undefined): string {
  return reply?.kind === "bulk" ? reply.text : "";
}

function commandOf(key: string, input: RegisterInput): Command {
  switch (input.kind) {
    case "get":
      return ["GET", key];
    case "put":
      return ["SET", key, input.value];
    case "delete":
      return ["DEL", key];
    case "putIfAbsent":
      return ["SET", key, input.value, "NX"];
    case "increment":
      return ["INCR", key];
  }
}

/** @throws {Error} when the reply is none to such a command */
function outputOf(input: RegisterInput, reply: Reply): RegisterOutput {
  switch (input.kind) {
    case "get":
      if (reply.kind === "nothing") return { kind: "value", value: undefined };
      if (reply.kind === "bulk") return { kind: "value", value: reply.text };
      break;
    case "put":
      if (reply.kind === "status") return { kind: "done" };
      break;
    case "delete":
      if (reply.kind === "number") return { kind: "done" };
      break;
    case "putIfAbsent":
      if (reply.kind === "status") return { kind: "done" };
      if (reply.kind === "nothing") return { kind: "refused" };
      break;
    case "increment":
      if (reply.kind === "number") return { kind: "value", value: reply.text };
      if (reply.kind === "error") return { kind: "refused" };
  }
  throw new Error(`resp: ${JSON.stringify(reply)} is no answer to ${input.kind}`);
}
