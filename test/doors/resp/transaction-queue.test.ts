import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ReadTurns } from "../../../src/doors/read-turns.js";
import { Output, OutputArena } from "../../../src/doors/output.js";
import { COMMAND_TABLE, planCommand } from "../../../src/doors/resp/command-table.js";
import type { CommandContext, Plan } from "../../../src/doors/resp/command.js";
import { HeldSize } from "../../../src/doors/resp/held-size.js";
import { ReplyWriter } from "../../../src/doors/resp/reply.js";
import { ScanCursors } from "../../../src/doors/resp/scan-cursors.js";
import { Session } from "../../../src/doors/resp/session.js";
import { TransactionQueue } from "../../../src/doors/resp/transaction-queue.js";
import { SingleNodeService } from "../single-node-service.js";

const MEBIBYTE = 1024 * 1024;

function contextWith(held: HeldSize): CommandContext {
  const service = new SingleNodeService();
  return {
    service,
    turns: new ReadTurns(service),
    cursors: new ScanCursors(),
    held,
    sessions: () => [],
    table: COMMAND_TABLE,
  };
}

/** A connection's queue, and what is said when a command comes. */
class Connection {
  readonly #context: CommandContext;
  readonly queue: TransactionQueue;

  constructor(held: HeldSize) {
    this.#context = contextWith(held);
    this.queue = new TransactionQueue(this.#context);
  }

  plan(...args: readonly (string | Buffer)[]): Plan {
    const bytes = args.map((arg) => (typeof arg === "string" ? Buffer.from(arg) : arg));
    return this.planBytes(bytes);
  }

  planBytes(args: readonly Buffer[]): Plan {
    return planCommand(args, this.#context, this.queue).plan;
  }

  /** The reply of a command that needs no node. */
  say(...args: readonly (string | Buffer)[]): string {
    const plan = this.plan(...args);
    assert.ok(plan.kind === "local", `${plan.kind} is not answered at once`);
    const output = new Output(new OutputArena());
    const reply = new ReplyWriter({
      get bytes() {
        return output.bytes;
      },
      reserve: (size) => output.reserve(size),
      write: (bytes) => {
        output.refer(bytes);
      },
      writeLatin1: (text) => {
        output.addLatin1(text);
      },
    });
    const address = "127.0.0.1:1";
    const now = (): number => 0;
    plan.run(reply, new Session({ id: 1, remoteAddress: address, localAddress: address, now }));
    return output
      .take()
      .map(({ bytes }) => bytes.toString("latin1"))
      .join("")
      .trimEnd();
  }
}

describe("a transaction's queue", () => {
  const plans: readonly (readonly [
    commands: readonly string[],
    want: Plan["kind"],
    why: string,
  ])[] = [
    [["SET k v", "GET k", "PING"], "write", "is a write as others"],
    [["GET k", "MGET a b", "PING"], "read", "is a read as others"],
    [["PING", "SELECT 1"], "local", "needs no node"],
    [["GET k", "DBSIZE"], "steps", "looks at all keys, at one moment"],
    [["SET k v", "KEYS *"], "steps", "looks at all keys between its writes"],
    [["MSETNX k v"], "steps", "decides between others"],
    [["EXPIRE k 10 NX"], "steps", "decides between others"],
    [["EXPIRE k 10"], "write", "is a write as others"],
  ];
  for (const [commands, want, why] of plans) {
    it(`of ${commands.join(", ")} ${why}`, () => {
      const held = new HeldSize(MEBIBYTE);
      const connection = new Connection(held);
      assert.equal(connection.say("MULTI"), "+OK");
      for (const command of commands)
        assert.equal(connection.say(...command.split(" ")), "+QUEUED");
      assert.ok(held.size > 0);
      assert.equal(connection.plan("EXEC").kind, want);
      assert.equal(held.size, 0);
      assert.equal(connection.queue.open, false);
    });
  }

  it("with something watched takes steps, whatever is queued", () => {
    const connection = new Connection(new HeldSize(MEBIBYTE));
    for (const command of ["SET k v", "GET k", "PING"]) {
      assert.equal(connection.plan("WATCH", "k").kind, "read");
      connection.say("MULTI");
      connection.say(...command.split(" "));
      assert.equal(connection.plan("EXEC").kind, "steps");
    }
  });

  it("of a million commands keeps no more than its limit, and nothing once that is passed", () => {
    const held = new HeldSize(64 * MEBIBYTE);
    const connection = new Connection(held);
    connection.say("MULTI");
    const said = new Map<string, number>();
    const ping = [Buffer.from("PING")];
    let kept = 0;
    for (let i = 0; i < 1_000_000; i++) {
      // Not every reply is read, to be quick: only those around the limit.
      const reply =
        i < 65_500 || i > 65_600 ? connection.planBytes(ping).kind : connection.say("PING");
      said.set(reply, (said.get(reply) ?? 0) + 1);
      kept = Math.max(kept, connection.queue.count);
    }
    assert.equal(kept, 65_536);
    assert.equal(connection.queue.count, 0);
    assert.equal(held.size, 0);
    assert.deepEqual(Object.fromEntries(said), {
      local: 999_899,
      "+QUEUED": 100,
      "-ERR the transaction is too large: more than 65536 commands": 1,
    });
    assert.match(connection.say("EXEC"), /^-EXECABORT/);
  });

  it("shares what may be kept with all others, and gives it back in every way it can end", () => {
    const held = new HeldSize(10_000);
    const one = new Connection(held);
    const two = new Connection(held);
    const value = Buffer.alloc(9_000);
    const ends: readonly (() => void)[] = [
      () => one.plan("EXEC"),
      () => one.say("DISCARD"),
      () => one.say("RESET"),
      () => one.say("EXEC", "x"),
      () => {
        one.queue.forget();
      },
      () => {
        one.say("NOSUCH");
        one.say("EXEC");
      },
    ];
    for (const end of ends) {
      one.plan("WATCH", "k");
      one.say("MULTI");
      assert.equal(one.say("SET", "k", value), "+QUEUED");
      two.say("MULTI");
      assert.match(two.say("SET", "k", value), /^-BUSY the clients of this node keep too much/);
      assert.match(two.say("EXEC"), /^-EXECABORT/);
      end();
      assert.equal(held.size, 0);
    }
    one.plan("WATCH", Buffer.alloc(5_000), Buffer.alloc(4_000, 1));
    const watch = two.plan("WATCH", Buffer.alloc(2_000));
    assert.equal(watch.kind, "local");
    one.say("UNWATCH");
    assert.equal(held.size, 0);
  });

  it("keeps copies, not the chunks that its commands came in", () => {
    const connection = new Connection(new HeldSize(MEBIBYTE));
    connection.say("MULTI");
    const chunk = Buffer.from("SETkv");
    connection.say(chunk.subarray(0, 3), chunk.subarray(3, 4), chunk.subarray(4));
    chunk.fill(0);
    const plan = connection.plan("EXEC");
    assert.ok(plan.kind === "write");
    const [command] = plan.commands;
    assert.ok(command?.kind === "put");
    assert.equal(Buffer.from(command.key).toString(), "k");
  });

  it("does not grow by keys that are watched already", () => {
    const held = new HeldSize(MEBIBYTE);
    const connection = new Connection(held);
    connection.plan("WATCH", "k", "k");
    const { size } = held;
    for (let i = 0; i < 100; i++) connection.plan("WATCH", "k");
    assert.equal(held.size, size);
  });
});
