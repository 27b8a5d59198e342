/** What the log says about a write is final, and only what it leaves open is unknown. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import type { DatabaseError } from "../../src/errors.js";
import type { PendingWrite } from "../../src/node/pending-write.js";
import { Requests } from "../../src/node/requests.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { RequestResult } from "../../src/store/command.js";

interface Told {
  error?: DatabaseError | undefined;
  result?: RequestResult | undefined;
  times: number;
}

function applied(revision: number): RequestResult {
  return { kind: "applied", revision, results: [] };
}

describe("requests on their way", () => {
  let requests: Requests;
  let told: Map<string, Told>;

  beforeEach(() => {
    requests = new Requests();
    told = new Map();
  });

  function write(name: string, options: { size?: number; deadline?: number } = {}): PendingWrite {
    const entry: Told = { times: 0 };
    told.set(name, entry);
    return {
      request: { id: Buffer.from(name.padEnd(16, ".")), commands: [] },
      size: options.size ?? 1,
      deadline: options.deadline ?? 1000,
      needs: "result",
      done: (error, result) => {
        entry.times += 1;
        entry.error = error;
        entry.result = result;
      },
    };
  }

  function name(pending: PendingWrite): string {
    return Buffer.from(pending.request.id).toString().replace(/\.+$/, "");
  }

  function names(writes: readonly (PendingWrite | undefined)[]): readonly (string | undefined)[] {
    return writes.map((write) => (write === undefined ? undefined : name(write)));
  }

  it("leave the queue in the order they came, within the bounds, and at least one at a time", () => {
    for (const [id, size] of [
      ["a", 5],
      ["b", 5],
      ["c", 90],
      ["d", 1],
    ] as const) {
      requests.enqueue(write(id, { size }));
    }
    assert.deepEqual(requests.take(10, 9).map(name), ["a", "b"]);
    assert.equal(requests.queuedSize, 91);
    assert.deepEqual(requests.take(10, 9).map(name), ["c"], "a large one travels alone");
    requests.enqueue(write("e"));
    assert.deepEqual(requests.take(10, 1).map(name), ["d"]);
    assert.deepEqual(requests.take(10, 9).map(name), ["e"]);
    assert.deepEqual(requests.take(10, 9), []);
    assert.equal(requests.queuedSize, 0);
  });

  it("put back stand before those that came later", () => {
    const [a, b, c] = [write("a"), write("b"), write("c")];
    for (const one of [a, b, c]) requests.enqueue(one);
    requests.putBack(requests.take(2, 2));
    assert.deepEqual(requests.take(9, 9).map(name), ["a", "b", "c"]);
  });

  it("keep their order through thousands", () => {
    const expected: string[] = [];
    const seen: string[] = [];
    for (let i = 0; i < 20_000; i += 1) {
      expected.push(`w${i}`);
      requests.enqueue(write(`w${i}`));
      if (i % 3 === 0) seen.push(...requests.take(2, 2).map(name));
    }
    seen.push(...requests.take(Infinity, Infinity).map(name));
    assert.deepEqual(seen, expected);
  });

  it("placed where an entry is applied in their term have its results by position", () => {
    requests.placed(LogIndex(7), Term(2), [write("a"), undefined, write("c")]);
    const dead = requests.applied(LogIndex(7), Term(2), [applied(2), applied(3), applied(4)]);
    assert.deepEqual(dead, []);
    assert.deepEqual(told.get("a"), { times: 1, error: undefined, result: applied(2) });
    assert.deepEqual(told.get("c"), { times: 1, error: undefined, result: applied(4) });
  });

  it("placed in several runs of an entry are found and answered by position", () => {
    requests.placed(LogIndex(7), Term(2), [write("b"), undefined, write("d")], 1);
    requests.placed(LogIndex(7), Term(2), [write("f")], 5);
    requests.placed(LogIndex(7), Term(1), [write("old")], 2);
    const waiting = requests.waitingAt(LogIndex(7), Term(2)) ?? [];
    const wanted = [undefined, "b", undefined, "d", undefined, "f"];
    assert.deepEqual(names(waiting), wanted);
    assert.equal(requests.waitingAt(LogIndex(7), Term(3)), undefined);
    const results = wanted.map((_, position) => applied(position));
    assert.deepEqual(requests.applied(LogIndex(7), Term(2), results).map(name), ["old"]);
    for (const [one, position] of [
      ["b", 1],
      ["d", 3],
      ["f", 5],
    ] as const) {
      assert.deepEqual(told.get(one)?.result, applied(position));
    }
  });

  it("placed behind the end of their entry, by its leader's word, are unknown", () => {
    requests.placed(LogIndex(7), Term(2), [write("a"), write("b")], 1);
    assert.equal(requests.waitingAt(LogIndex(7), Term(2))?.length, 3);
    requests.applied(LogIndex(7), Term(2), [undefined, applied(2)]);
    assert.equal(told.get("a")?.result?.revision, 2);
    assert.equal(told.get("b")?.error?.code, "OUTCOME_UNKNOWN");
  });

  it("placed where another term's entry is applied are provably not applied", () => {
    requests.placed(LogIndex(7), Term(2), [write("old")]);
    requests.placed(LogIndex(7), Term(3), [write("new")]);
    const dead = requests.applied(LogIndex(7), Term(3), [applied(2)]);
    assert.deepEqual(dead.map(name), ["old"]);
    assert.equal(told.get("old")?.times, 0, "it may be sent again");
    assert.equal(told.get("new")?.times, 1);
  });

  it("placed further on in an earlier term than an applied one are provably not applied", () => {
    requests.placed(LogIndex(7), Term(2), [write("a")]);
    requests.placed(LogIndex(9), Term(2), [write("b")]);
    requests.placed(LogIndex(9), Term(4), [write("c")]);
    assert.deepEqual(requests.supersededBy(LogIndex(8), Term(4)).map(name), ["b"]);
    assert.equal(requests.hasMoreOpenThan(1), true);
    assert.equal(requests.hasMoreOpenThan(2), false);
  });

  it("forwarded are recognised by their id when the log brings them first", () => {
    requests.forwarded(
      1,
      ["a", "b", "c"].map((one) => write(one)),
      Term(1),
    );
    const log = Buffer.from(`>>${"b".padEnd(16, ".")}${"d".padEnd(16, ".")}<`);
    const taken = requests.takeForwarded(log, 2);
    assert.ok(taken !== undefined);
    assert.equal(name(taken), "b");
    assert.equal(requests.takeForwarded(log, 2), undefined);
    assert.equal(requests.takeForwarded(log, 18), undefined);
    assert.equal(requests.forwardedCount, 2);
    assert.deepEqual(names(requests.takeForwardedRun(1, 0, 3)), ["a", undefined, "c"]);
    assert.equal(requests.forwardedCount, 0);
  });

  it("forwarded twice under one id are answered once each", () => {
    requests.forwarded(1, [write("a"), write("b")], Term(1));
    requests.forwarded(2, [write("a")], Term(1));
    const log = Buffer.from("a".padEnd(16, "."));
    assert.deepEqual(names([requests.takeForwarded(log, 0)]), ["a"]);
    assert.deepEqual(names([requests.takeForwarded(log, 0)]), ["a"]);
    assert.equal(requests.takeForwarded(log, 0), undefined);
    assert.deepEqual(names(requests.takeForwardedRun(1, 0, 2)), [undefined, "b"]);
  });

  it("forwarded together are taken in runs, each once, and none beyond them", () => {
    requests.forwarded(
      1,
      ["a", "b", "c"].map((one) => write(one)),
      Term(1),
    );
    assert.deepEqual(names(requests.takeForwardedRun(1, 1, Number.MAX_SAFE_INTEGER)), ["b", "c"]);
    assert.deepEqual(names(requests.takeForwardedRun(1, 0, 2)), ["a", undefined]);
    assert.deepEqual(requests.takeForwardedRun(1, 0, 1), []);
    assert.deepEqual(requests.takeForwardedRun(2, 0, 1), []);
  });

  it("sent to a leader of an earlier term and not seen by the first entry of a later one are not applied", () => {
    requests.forwarded(1, [write("early")], Term(1));
    requests.forwarded(2, [write("late")], Term(2));
    assert.deepEqual(requests.supersededBy(LogIndex(5), Term(2)).map(name), ["early"]);
    assert.deepEqual(requests.takeForwardedRun(1, 0, 1), []);
    assert.deepEqual(names(requests.takeForwardedRun(2, 0, 1)), ["late"]);
  });

  it("past their deadline are told the truth: unsent, or unknown with their id", () => {
    requests.enqueue(write("queued", { deadline: 10 }));
    requests.enqueue(write("patient", { deadline: 99 }));
    requests.forwarded(1, [write("forwarded", { deadline: 10 })], Term(1));
    requests.placed(LogIndex(3), Term(1), [write("placed", { deadline: 10 })]);
    requests.expire(10, false);
    assert.equal(told.get("queued")?.error?.code, "NO_LEADER");
    assert.equal(told.get("queued")?.error?.outcome, "not-applied");
    for (const id of ["forwarded", "placed"]) {
      const error = told.get(id)?.error;
      assert.equal(error?.code, "OUTCOME_UNKNOWN");
      assert.equal(error.requestId, Buffer.from(id.padEnd(16, ".")).toString("hex"));
    }
    assert.equal(told.get("patient")?.times, 0);
    assert.deepEqual(requests.take(9, 9).map(name), ["patient"]);
    requests.applied(LogIndex(3), Term(1), [applied(2)]);
    assert.equal(requests.hasMoreOpenThan(0), false);
  });

  it("that are written by whoever is told of an expiry come behind those that wait", () => {
    const expired = write("expired", { deadline: 5 });
    requests.enqueue({
      ...expired,
      done: () => {
        requests.enqueue(write("next"));
      },
    });
    requests.enqueue(write("waiting"));
    requests.expire(10, true);
    assert.deepEqual(requests.take(9, 9).map(name), ["waiting", "next"]);
  });

  it("that expired are not told twice when the log decides after all", () => {
    requests.placed(LogIndex(3), Term(1), [write("late", { deadline: 10 })]);
    requests.expire(10, true);
    requests.applied(LogIndex(3), Term(1), [applied(2)]);
    assert.equal(told.get("late")?.times, 1);
  });

  it("of a leader that has no room are told to come again", () => {
    requests.enqueue(write("queued", { deadline: 10 }));
    requests.expire(10, true);
    assert.equal(told.get("queued")?.error?.code, "BUSY");
  });

  it("count, with their bytes, until it is known where the log has them", () => {
    const [a, b, c] = ["a", "b", "c"].map((id) => write(id, { size: 10, deadline: 10 }));
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    requests.enqueue(a);
    requests.forwarded(1, [b, c], Term(1));
    assert.deepEqual([requests.unplacedCount, requests.unplacedSize], [3, 30]);
    requests.placed(LogIndex(3), Term(1), requests.takeForwardedRun(1, 0, 1));
    assert.deepEqual([requests.unplacedCount, requests.unplacedSize], [2, 20]);
    requests.putBack(requests.supersededBy(LogIndex(4), Term(2)));
    assert.deepEqual([requests.unplacedCount, requests.unplacedSize], [2, 20]);
    requests.expire(10, true);
    assert.deepEqual([requests.unplacedCount, requests.unplacedSize], [0, 0]);
  });

  it("end with the node: unsent ones provably, the others unknown", () => {
    requests.enqueue(write("queued"));
    requests.forwarded(1, [write("forwarded")], Term(1));
    requests.placed(LogIndex(3), Term(1), [undefined, write("placed")]);
    requests.close();
    assert.equal(told.get("queued")?.error?.code, "CLOSED");
    assert.equal(told.get("queued")?.error?.outcome, "not-applied");
    assert.equal(told.get("forwarded")?.error?.outcome, "unknown");
    assert.equal(told.get("placed")?.error?.outcome, "unknown");
    for (const { times } of told.values()) assert.equal(times, 1);
  });
});
