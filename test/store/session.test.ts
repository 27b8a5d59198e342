import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Request, RequestResult } from "../../src/store/command.js";
import { SESSION_WINDOW } from "../../src/store/session.js";
import { SNAPSHOT_ROW_SIZE_MAX } from "../../src/codec/snapshot.js";
import { encodeAnswer } from "../../src/store/answer.js";
import type { StateRow } from "../../src/store/state-row.js";
import { Store } from "../../src/store/store.js";
import { bytes, del, increment, put, request, text } from "./requests.js";
import { restored, rowsOf } from "./whole-state.js";

const SESSION = new Uint8Array(16).fill(7);

function opened(ttl = 10_000): Store {
  const store = new Store();
  store.apply(request({ kind: "openSession", session: SESSION, ttl }), 1_000_000);
  return store;
}

function nth(sequence: number, plain: Request, acknowledged = 0): Request {
  return { ...plain, session: { session: SESSION, sequence, acknowledged } };
}

function outcome(result: RequestResult): string {
  return result.kind === "applied" ? "applied" : result.reason;
}

describe("a session", () => {
  it("applies a request once, and gives its first answer however often it comes", () => {
    const store = opened();
    const add = nth(1, request(increment("n", 5n)));
    const first = store.apply(add);
    store.apply(request(put("n", "100")));
    for (const each of [store, restored(rowsOf(store), new Store())]) {
      assert.deepEqual(each.apply(add), first);
      assert.equal(text(each.get(bytes("n"))?.value), "100");
    }
  });

  it("keeps the answer of a refusal too: the request is never applied later", () => {
    const store = opened();
    const create = nth(1, request(put("k", "mine", "absent")));
    store.apply(request(put("k", "other")));
    assert.equal(outcome(store.apply(create)), "condition-failed");
    store.apply(request({ kind: "deleteRange", key: bytes(""), end: bytes("") }));
    assert.equal(outcome(store.apply(create)), "condition-failed");
    assert.equal(store.get(bytes("k")), undefined);
  });

  it("takes its requests in any order", () => {
    const store = opened();
    for (const sequence of [3, 1, 2, 3, 1]) {
      store.apply(nth(sequence, request(increment("n", BigInt(10 ** sequence)))));
    }
    assert.equal(text(store.get(bytes("n"))?.value), "1110");
  });

  it("forgets what was acknowledged, and refuses it when it comes again", () => {
    const store = opened();
    store.apply(nth(1, request(increment("n", 1n))));
    store.apply(nth(2, request(increment("n", 1n)), 1));
    assert.equal(outcome(store.apply(nth(1, request(increment("n", 1n))))), "session-acknowledged");
    assert.equal(text(store.get(bytes("n"))?.value), "2");
    assert.equal(rowsOf(store).filter(({ kind }) => kind === "answer").length, 1);
  });

  describe("whose request's answer is too large to keep", () => {
    const COUNT = 20;
    const keys = Array.from({ length: COUNT }, (_, i) => `k${i}`);
    const many = nth(1, request(...keys.map(del), del("absent")));

    /** A store in which `many` was applied, and its first answer. */
    function applied(): { readonly store: Store; readonly first: RequestResult } {
      const store = opened();
      const value = new Uint8Array(1 << 20).fill(7);
      for (const key of keys) {
        store.apply(request({ kind: "put", key: bytes(key), value, condition: "none" }));
      }
      return { store, first: store.apply(many) };
    }

    function answerRowOf(store: Store): StateRow {
      const row = rowsOf(store).find(({ kind }) => kind === "answer");
      assert.ok(row !== undefined);
      return row;
    }

    it("gives it whole once, and then its revision and how many keys were deleted", () => {
      const { store, first } = applied();
      assert.ok(first.kind === "applied");
      assert.equal(first.results[COUNT - 1]?.previous?.value.length, 1 << 20);
      assert.equal(first.cutSize, undefined);
      for (const each of [store, restored(rowsOf(store), new Store())]) {
        const again = each.apply(many);
        assert.ok(again.kind === "applied");
        assert.equal(again.revision, first.revision);
        const counts = [...keys.map(() => 1), 0];
        assert.deepEqual(
          again.results,
          counts.map((deletedCount) => ({ previous: undefined, current: undefined, deletedCount })),
        );
        assert.ok((again.cutSize ?? 0) > COUNT << 20);
      }
    });

    it("writes a row that a snapshot can hold", () => {
      const size = answerRowOf(applied().store).value.length;
      assert.ok(size < SNAPSHOT_ROW_SIZE_MAX / 1000, `${size} bytes`);
    });

    it("cuts it too when it comes whole from an earlier version's snapshot", () => {
      const { store, first } = applied();
      const rows = rowsOf(store);
      const whole = rows.map((row) =>
        row.kind === "answer" ? { ...row, value: encodeAnswer(first) } : row,
      );
      assert.ok(answerRowOf(store).value.length < encodeAnswer(first).length);
      assert.deepEqual(rowsOf(restored(whole, new Store())), rows);
    });

    it("counts it as what it was until it is acknowledged", () => {
      const { store } = applied();
      for (const each of [store, restored(rowsOf(store), new Store())]) {
        assert.equal(outcome(each.apply(nth(2, request(put("a", "1"))))), "session-window");
        assert.equal(outcome(each.apply(nth(3, request(put("a", "1")), 1))), "applied");
      }
    });
  });

  it("keeps of a conflict its key and nothing of the block that it came in", () => {
    const store = opened();
    store.apply(request(put("k", "v")));
    const block = new Uint8Array(1 << 20);
    block.set(bytes("k"), 1000);
    const read = { kind: "key", key: block.subarray(1000, 1001), revision: 1 } as const;
    const result = store.apply(nth(1, { ...request(put("a", "1")), reads: [read] }));
    assert.ok(result.kind === "rejected" && result.reason === "conflict");
    assert.deepEqual(
      result.conflicts?.map(({ key }) => [text(key), key.buffer.byteLength]),
      [["k", 1]],
    );
  });

  it("counts the keys of its conflicts among what it keeps", () => {
    const store = opened();
    const reads = Array.from({ length: 100 }, (_, i) => {
      const key = new Uint8Array(8000).fill(i + 1);
      return { kind: "key", key, revision: 1 } as const;
    });
    const refused = { ...request(put("a", "1")), reads };
    for (const { key } of reads) {
      store.apply(request({ kind: "put", key, value: key, condition: "none" }));
    }
    const told: string[] = [];
    for (let sequence = 1; sequence <= 7; sequence++) {
      told.push(outcome(store.apply(nth(sequence, refused))));
    }
    const conflicts = new Array<string>(6).fill("conflict");
    assert.deepEqual(told, [...conflicts, "session-window"]);
    assert.equal(
      outcome(restored(rowsOf(store), new Store()).apply(nth(8, refused))),
      "session-window",
    );
  });

  it("that was never opened applies nothing", () => {
    const store = new Store();
    assert.equal(outcome(store.apply(nth(1, request(put("k", "v"))))), "session-expired");
    assert.equal(store.size, 0);
  });

  it("ends when nothing of it came for its time, counted by the log", () => {
    const store = opened(5_000);
    const pass = (time: number): void => {
      const due = store.dueRequest(time);
      if (due !== undefined) store.apply(due, time);
    };
    pass(1_004_000);
    assert.equal(outcome(store.apply(nth(1, request(put("k", "v"))), 1_004_000)), "applied");
    pass(1_008_000);
    assert.ok(store.hasSession(SESSION));
    pass(1_009_000);
    assert.ok(!store.hasSession(SESSION));
    assert.equal(outcome(store.apply(nth(1, request(put("k", "w"))))), "session-expired");
    assert.equal(text(store.get(bytes("k"))?.value), "v");
  });

  it("refuses beyond its window, for ever the same request, and closes when that is not heard", () => {
    const store = opened();
    for (let sequence = 1; sequence <= SESSION_WINDOW; sequence++) {
      store.apply(nth(sequence, request(increment("n", 1n))));
    }
    const beyond = nth(SESSION_WINDOW + 1, request(increment("n", 1n)));
    assert.equal(outcome(store.apply(beyond)), "session-window");
    // Room again; but its owner was told that it is not applied.
    store.apply(nth(SESSION_WINDOW + 2, request(increment("n", 1n)), SESSION_WINDOW));
    assert.equal(outcome(store.apply(beyond)), "session-window");
    assert.equal(text(store.get(bytes("n"))?.value), String(SESSION_WINDOW + 1));
    for (let i = 3; i < 3 * SESSION_WINDOW; i++) {
      store.apply(nth(SESSION_WINDOW + i, request(increment("n", 1n)), SESSION_WINDOW));
    }
    assert.ok(!store.hasSession(SESSION));
  });

  it("is opened once, kept, and closed", () => {
    const store = opened(5_000);
    store.apply(nth(1, request(put("k", "v"))));
    store.apply(request({ kind: "openSession", session: SESSION, ttl: 1 }));
    assert.equal(outcome(store.apply(nth(1, request(put("k", "w"))))), "applied");
    assert.equal(text(store.get(bytes("k"))?.value), "v");
    const keep = request({ kind: "keepSession", session: SESSION });
    assert.equal(outcome(store.apply(keep)), "applied");
    store.apply(request({ kind: "closeSession", session: SESSION }));
    assert.equal(outcome(store.apply(keep)), "session-expired");
  });
});

describe("the outcome of a request", () => {
  it("is told by its id, while it is one of the last", () => {
    const store = new Store();
    const named = (number: number, plain: Request): Request => {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(0, number);
      return { ...plain, id };
    };
    const first = named(1, request(put("k", "v")));
    const refused = named(2, request(put("k", "v", "absent")));
    store.apply(first);
    store.apply(refused);
    for (const each of [store, restored(rowsOf(store), new Store())]) {
      assert.deepEqual(each.outcome(first.id), { kind: "applied", revision: 2 });
      assert.deepEqual(each.outcome(refused.id), { kind: "rejected" });
      assert.equal(each.outcome(new Uint8Array(16)), undefined);
    }
    for (let i = 3; i < 70_000; i++) store.apply(named(i, request(put("k", "v"))));
    assert.equal(store.outcome(first.id), undefined);
    assert.equal(store.outcome(named(69_999, first).id)?.kind, "applied");
    assert.equal(store.outcome(named(40_000, first).id)?.kind, "applied");
  });
});
