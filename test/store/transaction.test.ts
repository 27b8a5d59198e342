import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type {
  Isolation,
  Request,
  RequestResult,
  StagedCommand,
  TransactionCommand,
} from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { READ_COUNT_MAX, STAGED_COUNT_MAX } from "../../src/store/transaction.js";
import { bytes, del, deleteRange, put, request, text } from "./requests.js";
import { restored, rowsOf } from "./whole-state.js";

const EVERYTHING = { countMax: Infinity, sizeMax: Infinity };

/** A transaction as a client would hold it: a read is recorded before its value is used. */
class Client {
  readonly #store: Store;
  readonly id: Uint8Array;

  constructor(store: Store, number: number, isolation: Isolation = "serializable") {
    this.#store = store;
    this.id = new Uint8Array(16).fill(number);
    this.does({ kind: "begin", transaction: this.id, isolation, idle: 10_000 });
  }

  does(command: TransactionCommand): RequestResult {
    return this.#store.apply(request(command));
  }

  get(key: string): string | undefined {
    this.#stage([], [{ key: bytes(key) }]);
    const found = this.#store.getIn(this.id, bytes(key));
    assert.notEqual(found, "unknown");
    return text(found === "unknown" ? undefined : found?.value);
  }

  list(from: string, end: string): string[] {
    this.#stage([], [{ key: bytes(from), end: bytes(end) }]);
    const page = this.#store.rangeIn(this.id, bytes(from), bytes(end), EVERYTHING);
    assert.ok(page !== "unknown");
    return page.keyValues.map(({ key, value }) => `${text(key) ?? ""}=${text(value) ?? ""}`);
  }

  put(key: string, value: string): void {
    this.#stage([put(key, value) as StagedCommand], []);
  }

  delete(key: string): void {
    this.#stage([del(key) as StagedCommand], []);
  }

  deleteRange(from: string, end: string): void {
    this.#stage([deleteRange(from, end) as StagedCommand], []);
  }

  savepoint(name: string): void {
    this.does({ kind: "savepoint", transaction: this.id, name: bytes(name) });
  }

  rollbackTo(name: string): string {
    return outcome(this.does({ kind: "rollbackTo", transaction: this.id, name: bytes(name) }));
  }

  commit(): string {
    return outcome(this.does({ kind: "commit", transaction: this.id }));
  }

  rollback(): string {
    return outcome(this.does({ kind: "rollback", transaction: this.id }));
  }

  #stage(
    commands: readonly StagedCommand[],
    reads: Extract<TransactionCommand, { kind: "stage" }>["reads"],
  ): void {
    const result = this.does({ kind: "stage", transaction: this.id, commands, reads });
    assert.equal(result.kind, "applied");
  }
}

function outcome(result: RequestResult): string {
  return result.kind === "applied" ? "applied" : result.reason;
}

function storeOf(...pairs: readonly (readonly [string, string])[]): Store {
  const store = new Store();
  store.apply(request(...pairs.map(([key, value]) => put(key, value))), 1_000_000);
  return store;
}

/** Two clients, and what each isolation makes of the second one's commit. */
const anomalies: readonly {
  readonly name: string;
  readonly play: (first: Client, second: Client) => void;
  readonly serializable: string;
  readonly snapshot: string;
}[] = [
  {
    name: "a lost update",
    play(first, second) {
      first.put("x", `${first.get("x") ?? ""}+1`);
      second.put("x", `${second.get("x") ?? ""}+1`);
    },
    serializable: "conflict",
    snapshot: "conflict",
  },
  {
    name: "write skew",
    play(first, second) {
      first.get("x");
      first.get("y");
      second.get("x");
      second.get("y");
      first.put("x", "0");
      second.put("y", "0");
    },
    serializable: "conflict",
    snapshot: "applied",
  },
  {
    name: "a phantom that is inserted",
    play(first, second) {
      assert.deepEqual(second.list("p", "q"), []);
      first.put("p1", "new");
      second.put("count", "0");
    },
    serializable: "conflict",
    snapshot: "applied",
  },
  {
    name: "a phantom that is deleted",
    play(first, second) {
      assert.deepEqual(second.list("x", "y"), ["x=1"]);
      first.delete("x");
      second.put("count", "1");
    },
    serializable: "conflict",
    snapshot: "applied",
  },
  {
    name: "a key that was absent and came",
    play(first, second) {
      assert.equal(second.get("z"), undefined);
      first.put("z", "1");
      second.put("w", "1");
    },
    serializable: "conflict",
    snapshot: "applied",
  },
  {
    name: "a range deletion over a key that was written",
    play(first, second) {
      first.put("x", "2");
      second.deleteRange("w", "z");
    },
    serializable: "applied",
    snapshot: "conflict",
  },
  {
    name: "blind writes of the same key",
    play(first, second) {
      first.put("x", "first");
      second.put("x", "second");
    },
    serializable: "applied",
    snapshot: "conflict",
  },
  {
    name: "writes of different keys",
    play(first, second) {
      first.put("x", "2");
      second.put("y", "2");
    },
    serializable: "applied",
    snapshot: "applied",
  },
  {
    name: "a reader that writes nothing",
    play(first, second) {
      second.get("x");
      second.list("", "");
      first.put("x", "2");
    },
    serializable: "applied",
    snapshot: "applied",
  },
];

describe("a transaction", () => {
  for (const { name, play, ...wants } of anomalies) {
    for (const isolation of ["serializable", "snapshot"] as const) {
      it(`${isolation}, ${name}: ${wants[isolation]}`, () => {
        const store = storeOf(["x", "1"], ["y", "1"]);
        const first = new Client(store, 1, isolation);
        const second = new Client(store, 2, isolation);
        play(first, second);
        assert.equal(first.commit(), "applied");
        assert.equal(second.commit(), wants[isolation]);
      });
    }
  }

  it("sees no dirty read: what is staged elsewhere is not there", () => {
    const store = storeOf(["x", "1"]);
    const [writer, reader] = [new Client(store, 1), new Client(store, 2)];
    writer.put("x", "dirty");
    assert.equal(reader.get("x"), "1");
    assert.equal(text(store.get(bytes("x"))?.value), "1");
    writer.rollback();
    assert.equal(text(store.get(bytes("x"))?.value), "1");
  });

  it("sees no read skew: everything it reads is of one revision", () => {
    const store = storeOf(["x", "1"], ["y", "1"]);
    const reader = new Client(store, 1);
    assert.equal(reader.get("x"), "1");
    store.apply(request(put("x", "2"), put("y", "2"), del("z"), put("x1", "new")));
    assert.equal(reader.get("y"), "1");
    assert.deepEqual(reader.list("", ""), ["x=1", "y=1"]);
  });

  it("sees its own writes, over ranges too", () => {
    const store = storeOf(["a", "1"], ["b", "1"], ["c", "1"], ["e", "1"]);
    const client = new Client(store, 1);
    client.put("b", "own");
    client.deleteRange("b", "d");
    client.put("c", "own");
    client.put("d", "own");
    client.delete("e");
    client.put("f", "own");
    assert.deepEqual(client.list("", ""), ["a=1", "c=own", "d=own", "f=own"]);
    assert.deepEqual(client.list("b", "d"), ["c=own"]);
    assert.equal(client.get("b"), undefined);
    assert.equal(client.get("d"), "own");
    assert.equal(client.commit(), "applied");
    assert.deepEqual(
      store.range(bytes(""), bytes(""), Infinity, Infinity).keyValues.map(({ key }) => text(key)),
      ["a", "c", "d", "f"],
    );
    assert.equal(store.revision, 3);
  });

  it("names every key that conflicts, with both revisions", () => {
    const store = storeOf(["x", "1"], ["r1", "1"]);
    const client = new Client(store, 1);
    client.get("x");
    client.list("r", "s");
    client.put("w", "1");
    store.apply(request(put("x", "2")));
    store.apply(request(del("r1")));
    const result = client.does({ kind: "commit", transaction: client.id });
    assert.ok(result.kind === "rejected");
    assert.deepEqual(
      result.conflicts?.map(({ key, ...revisions }) => ({ key: text(key), ...revisions })),
      [
        { key: "x", readRevision: 2, currentRevision: 3 },
        { key: "r1", readRevision: 2, currentRevision: 4 },
      ],
    );
  });

  it("goes back to a savepoint, which stays, and forgets those behind it", () => {
    const store = storeOf(["x", "1"]);
    const client = new Client(store, 1);
    client.put("a", "1");
    client.savepoint("one");
    client.put("b", "1");
    client.savepoint("two");
    client.put("c", "1");
    assert.equal(client.rollbackTo("one"), "applied");
    assert.equal(client.rollbackTo("two"), "savepoint-unknown");
    client.put("d", "1");
    assert.equal(client.rollbackTo("one"), "applied");
    assert.deepEqual(client.list("", ""), ["a=1", "x=1"]);
    client.commit();
    assert.equal(store.size, 2);
  });

  it("answers a commit that is asked again as it did, whatever came between", () => {
    const store = storeOf(["x", "1"]);
    const client = new Client(store, 1);
    client.put("x", "2");
    const first = client.does({ kind: "commit", transaction: client.id });
    store.apply(request(put("x", "3")));
    const other = restored(rowsOf(store), new Store());
    for (const each of [store, other]) {
      assert.deepEqual(each.apply(request({ kind: "commit", transaction: client.id })), first);
      assert.equal(text(each.get(bytes("x"))?.value), "3");
      assert.equal(each.transaction(client.id)?.status, "committed");
      assert.equal(each.transaction(client.id)?.revision, 3);
    }
    assert.equal(client.rollback(), "transaction-finished");
  });

  const used: readonly (readonly [end: string, commit: string, rollback: string])[] = [
    ["commit", "applied", "transaction-finished"],
    ["conflict", "conflict", "transaction-finished"],
    ["rollback", "transaction-finished", "applied"],
  ];
  for (const [end, commit, rollback] of used) {
    it(`that ended with ${end} takes nothing more, and says so`, () => {
      const store = storeOf(["x", "1"]);
      const client = new Client(store, 1);
      client.get("x");
      client.put("y", "1");
      if (end === "conflict") store.apply(request(put("x", "2")));
      if (end === "rollback") client.rollback();
      else client.commit();
      const staged: TransactionCommand = {
        kind: "stage",
        transaction: client.id,
        commands: [],
        reads: [],
      };
      assert.equal(outcome(client.does(staged)), "transaction-finished");
      assert.equal(client.commit(), commit);
      assert.equal(client.rollback(), rollback);
    });
  }

  it("that nobody has begun is unknown", () => {
    const commit: Request = request({ kind: "commit", transaction: new Uint8Array(16) });
    assert.equal(outcome(new Store().apply(commit)), "transaction-unknown");
  });

  it("is begun once: the second time it is the same", () => {
    const store = storeOf(["x", "1"]);
    const client = new Client(store, 1);
    store.apply(request(put("x", "2")));
    const again = client.does({
      kind: "begin",
      transaction: client.id,
      isolation: "snapshot",
      idle: 1,
    });
    const detail = again.kind === "applied" ? again.results[0]?.detail : undefined;
    assert.ok(detail?.kind === "transaction");
    assert.equal(detail.readRevision, 2);
    assert.equal(detail.isolation, "serializable");
  });

  it("expires when it is idle, by the log's time and an entry of the log", () => {
    const store = storeOf(["x", "1"]);
    const client = new Client(store, 1);
    let time = 1_000_000;
    const pass = (ms: number): void => {
      time += ms;
      const due = store.dueRequest(time);
      if (due !== undefined) store.apply(due, time);
    };
    pass(9_000);
    client.put("y", "1");
    pass(9_000);
    assert.equal(store.transaction(client.id)?.status, "open");
    pass(1_000);
    assert.equal(store.transaction(client.id)?.status, "expired");
    assert.equal(client.commit(), "transaction-finished");
    for (let i = 0; i < 61; i++) pass(10_000);
    assert.equal(store.transaction(client.id), undefined);
    assert.equal(client.commit(), "transaction-unknown");
  });

  it("whose read revision is compacted cannot be validated, nor read", () => {
    const store = storeOf(["x", "1"]);
    const client = new Client(store, 1);
    client.get("x");
    client.put("y", "1");
    store.apply(request(put("z", "1")));
    store.apply(request({ kind: "compact", revision: 3 }));
    assert.equal(client.commit(), "transaction-too-old");
    assert.throws(() => client.get("x"), { code: "REVISION_COMPACTED" });
    assert.equal(client.rollback(), "applied");
  });

  it("takes so much and no more, and what does not fit leaves it as it was", () => {
    const store = new Store();
    const client = new Client(store, 1);
    const many = (count: number): StagedCommand[] =>
      Array.from({ length: count }, (_, i) => put(`k${i}`, "") as StagedCommand);
    const stage = (commands: StagedCommand[]): string =>
      outcome(client.does({ kind: "stage", transaction: client.id, commands, reads: [] }));
    assert.equal(stage(many(STAGED_COUNT_MAX)), "applied");
    assert.equal(stage(many(1)), "transaction-too-large");
    assert.equal(client.commit(), "applied");
    assert.equal(store.size, STAGED_COUNT_MAX);

    const large = new Client(store, 2);
    const value = "v".repeat(1024 * 1024);
    for (let i = 0; i < 9; i++) large.put("k", value);
    const tenth = { kind: "stage" as const, transaction: large.id, reads: [] };
    assert.equal(
      outcome(large.does({ ...tenth, commands: [put("k", value) as StagedCommand] })),
      "transaction-too-large",
    );
    assert.equal(large.commit(), "applied");

    const reader = new Client(store, 3);
    const reads = Array.from({ length: READ_COUNT_MAX + 1 }, (_, i) => ({ key: bytes(`r${i}`) }));
    const read = { kind: "stage" as const, transaction: reader.id, commands: [] };
    assert.equal(outcome(reader.does({ ...read, reads })), "transaction-too-large");
    assert.equal(outcome(reader.does({ ...read, reads: reads.slice(1) })), "applied");
  });
});

describe("a one-shot request with what it has read", () => {
  it("is applied while that is unchanged, and is a conflict after", () => {
    const store = storeOf(["x", "1"], ["r1", "1"]);
    const transfer: Request = {
      ...request(put("y", "1")),
      reads: [
        { kind: "key", key: bytes("x"), revision: 2 },
        { kind: "key", key: bytes("absent"), revision: 0 },
        { kind: "range", key: bytes("r"), end: bytes("s"), revision: 2 },
      ],
    };
    assert.equal(outcome(store.apply(transfer)), "applied");
    store.apply(request(put("r2", "1")));
    const result = store.apply(transfer);
    assert.ok(result.kind === "rejected");
    assert.equal(result.reason, "conflict");
    assert.deepEqual(
      result.conflicts?.map(({ key, currentRevision }) => [text(key), currentRevision]),
      [["r2", 4]],
    );
  });

  it("of a range that is compacted is too old", () => {
    const store = storeOf(["x", "1"]);
    store.apply(request(put("x", "2")));
    store.apply(request({ kind: "compact", revision: 3 }));
    const old: Request = {
      ...request(put("y", "1")),
      reads: [{ kind: "range", key: bytes("r"), end: bytes("s"), revision: 2 }],
    };
    assert.equal(outcome(store.apply(old)), "transaction-too-old");
  });

  it("in the mode of Redis' EXEC goes on behind what is refused", () => {
    const store = storeOf(["text", "abc"]);
    const result = store.apply({
      ...request(
        { kind: "increment", key: bytes("text"), by: 1n },
        put("text", "x", "absent"),
        put("n", "1"),
        { kind: "increment", key: bytes("n"), by: 1n },
        { kind: "get", key: bytes("n") },
      ),
      mode: "each",
    });
    assert.ok(result.kind === "applied");
    assert.deepEqual(
      result.results.map(({ detail }) => (detail?.kind === "refused" ? detail.reason : "done")),
      ["not-an-integer", "condition-failed", "done", "done", "done"],
    );
    assert.equal(text(result.results[4]?.previous?.value), "2");
    assert.equal(result.revision, 3);
  });
});
