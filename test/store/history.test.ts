import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Request } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { bytes, del, put, request, text } from "./requests.js";

const PAGE = { countMax: Infinity, sizeMax: Infinity };
const POLICY = { changeCountMax: 100, sizeMax: 1_000_000, ageMax: Infinity };

/** Revisions 2 to 6, a second apart from 10 s on: a=1, a=2, a and b=1 gone and come, a deleted, a=3. */
function written(): Store {
  const store = new Store();
  const requests: readonly Request[] = [
    request(put("a", "1")),
    request(put("a", "2")),
    request(put("b", "1"), put("c", "1"), del("c")),
    request(del("a")),
    request(put("a", "3")),
  ];
  requests.forEach((each, i) => store.apply(each, 10_000 + i * 1_000));
  return store;
}

function valuesAt(store: Store, revision: number): string {
  return store
    .rangeAt(bytes(""), bytes(""), revision, PAGE)
    .keyValues.map(({ key, value }) => `${text(key) ?? ""}=${text(value) ?? ""}`)
    .join(" ");
}

describe("the past", () => {
  it("is read at any revision", () => {
    const store = written();
    const past = [1, 2, 3, 4, 5, 6].map((revision) => valuesAt(store, revision));
    assert.deepEqual(past, ["", "a=1", "a=2", "a=2 b=1", "b=1", "a=3 b=1"]);
    assert.equal(text(store.at(bytes("a"), 3)?.value), "2");
    assert.equal(store.at(bytes("a"), 5), undefined);
  });

  const times: readonly (readonly [time: number, revision: number])[] = [
    [9_999, 1],
    [10_000, 2],
    [10_999, 2],
    [13_500, 5],
    [99_999, 6],
  ];
  for (const [time, revision] of times) {
    it(`at ${time} ms is revision ${revision}`, () => {
      assert.equal(written().revisionAt(time), revision);
    });
  }

  it("of a key comes newest or oldest first, in pages", () => {
    const store = written();
    const walk = (order: "newest-first" | "oldest-first"): string[] => {
      const seen: string[] = [];
      let beyond: number | undefined;
      for (;;) {
        const page = store.history(bytes("a"), {
          order,
          countMax: 2,
          sizeMax: Infinity,
          ...(beyond === undefined ? {} : { beyond }),
        });
        seen.push(
          ...page.changes.map((each) => `${each.revision} ${text(each.current?.value) ?? "-"}`),
        );
        beyond = page.changes.at(-1)?.revision;
        if (!page.more) return seen;
      }
    };
    assert.deepEqual(walk("oldest-first"), ["2 1", "3 2", "5 -", "6 3"]);
    assert.deepEqual(walk("newest-first"), ["6 3", "5 -", "3 2", "2 1"]);
  });

  it("as changes comes in whole revisions, with what was before and when", () => {
    const store = written();
    const page = store.changesSince(4, { countMax: 1, sizeMax: Infinity });
    assert.deepEqual(
      page.changes.map(({ kind, key, revision, time }) => [kind, text(key), revision, time]),
      [["put", "b", 4, 12_000]],
    );
    assert.equal(page.nextRevision, 5);
    assert.ok(page.more);
    const [deletion] = store.changesSince(5, PAGE).changes;
    assert.equal(deletion?.kind, "delete");
    assert.equal(text(deletion.previous?.value), "2");
    assert.deepEqual(store.changesSince(7, PAGE), { changes: [], nextRevision: 7, more: false });
  });

  it("that is compacted is refused with what can be read, and so is the future", () => {
    const store = written();
    store.apply(request({ kind: "compact", revision: 4 }));
    const compacted = { asked: 3, compacted: 4, current: 6 };
    const future = { asked: 7, compacted: 4, current: 6 };
    assert.throws(() => valuesAt(store, 3), { code: "REVISION_COMPACTED", revisions: compacted });
    assert.throws(() => store.at(bytes("a"), 7), { code: "REVISION_FUTURE", revisions: future });
    assert.throws(() => store.changesSince(4, PAGE), { code: "REVISION_COMPACTED" });
    assert.throws(() => store.changesSince(8, PAGE), { code: "REVISION_FUTURE" });
    assert.throws(() => store.revisionAt(11_500), { code: "REVISION_COMPACTED" });
    assert.equal(store.revisionAt(12_000), 4);
    assert.equal(valuesAt(store, 4), "a=2 b=1");
    assert.deepEqual(
      store
        .history(bytes("a"), { ...PAGE, order: "oldest-first" })
        .changes.map((each) => each.revision),
      [3, 5, 6],
    );
  });
});

describe("the history that is kept", () => {
  it("is bounded by a compaction that the leader proposes, a part at a time", () => {
    const store = new Store(undefined, POLICY);
    let proposed = 0;
    for (let i = 0; i < 10_000; i++) {
      store.apply(request(put(`k${i % 7}`, "v")), 1_000 + i);
      const due = store.dueRequest(1_000 + i);
      if (due === undefined) continue;
      proposed += 1;
      store.apply(due, 1_000 + i);
      assert.equal(store.historySize.changeCount, 100);
    }
    assert.ok(proposed > 500);
    assert.ok(proposed < 1_000);
    assert.ok(store.historySize.changeCount <= 113);
    assert.equal(store.nextDueTime, undefined);
  });

  it("is bounded in bytes", () => {
    const store = new Store(undefined, { ...POLICY, sizeMax: 50_000 });
    for (let i = 0; i < 200; i++) {
      store.apply(request(put("k", "v".repeat(1_000))), 1_000 + i);
      const due = store.dueRequest(1_000 + i);
      if (due !== undefined) store.apply(due, 1_000 + i);
      assert.ok(store.historySize.size <= 60_000);
    }
    assert.ok(store.historySize.changeCount > 30);
  });

  it("is bounded in time", () => {
    const store = new Store(undefined, { ...POLICY, ageMax: 10_000 });
    for (let i = 0; i < 60; i++) store.apply(request(put("k", String(i))), 1_000 * i + 1);
    const due = store.dueRequest(60_000);
    assert.deepEqual(due?.commands, [{ kind: "compact", revision: 51 }]);
  });

  it("is kept for an open transaction, until it holds up too much", () => {
    const store = new Store(undefined, POLICY);
    const transaction = new Uint8Array(16).fill(1);
    store.apply(request({ kind: "begin", transaction, isolation: "snapshot", idle: 1_000 }), 1_000);
    for (let i = 0; i < 150; i++) store.apply(request(put("k", "v")), 1_000);
    assert.equal(store.dueRequest(1_000)?.commands[0]?.kind, "compact");
    store.apply(store.dueRequest(1_000) ?? request(), 1_000);
    assert.deepEqual(valuesAt(store, 1), "");
    assert.equal(store.dueRequest(1_000), undefined);
    for (let i = 0; i < 100; i++) store.apply(request(put("k", "v")), 1_000);
    store.apply(store.dueRequest(1_000) ?? request(), 1_000);
    assert.ok(store.compactedRevision > 100);
  });

  it("is not compacted again and again while a view keeps it", () => {
    const store = new Store(undefined, POLICY);
    const view = store.openView();
    let proposed = 0;
    for (let i = 0; i < 1_000; i++) {
      store.apply(request(put("k", "v")), 1_000);
      const due = store.dueRequest(1_000);
      if (due === undefined) continue;
      proposed += 1;
      store.apply(due, 1_000);
    }
    assert.ok(proposed < 100);
    view.close();
    assert.ok(store.historySize.changeCount <= 113);
  });
});

describe("conditions", () => {
  const cases: readonly (readonly [string, Request["compares"], boolean])[] = [
    [
      "an absent key has version 0",
      [{ target: "version", relation: "=", key: bytes("z"), number: 0 }],
      true,
    ],
    [
      "an absent key has no value, not even another",
      [{ target: "value", relation: "!=", key: bytes("z"), value: bytes("x") }],
      false,
    ],
    [
      "a value is compared by its bytes",
      [{ target: "value", relation: "<", key: bytes("a"), value: bytes("30") }],
      true,
    ],
    [
      "a shorter value is the lesser",
      [{ target: "value", relation: ">", key: bytes("a"), value: bytes("") }],
      true,
    ],
    [
      "all must hold",
      [
        { target: "modRevision", relation: "=", key: bytes("a"), number: 6 },
        { target: "createRevision", relation: ">", key: bytes("a"), number: 6 },
      ],
      false,
    ],
  ];
  for (const [title, compares, want] of cases) {
    it(`${title}: ${want ? "then" : "else"}`, () => {
      const store = written();
      const result = store.apply({
        ...request(put("then", "1")),
        compares: compares ?? [],
        otherwise: [{ kind: "put", key: bytes("else"), value: bytes("1"), condition: "none" }],
      });
      assert.ok(result.kind === "applied");
      assert.equal(result.succeeded, want);
      assert.equal(store.get(bytes("then")) !== undefined, want);
      assert.equal(store.get(bytes("else")) !== undefined, !want);
    });
  }

  it("that fail without an alternative reject the request, with the key as it is", () => {
    const store = written();
    const result = store.apply({
      ...request(put("a", "mine")),
      compares: [{ target: "modRevision", relation: "=", key: bytes("a"), number: 3 }],
    });
    assert.ok(result.kind === "rejected");
    assert.equal(result.reason, "condition-failed");
    assert.equal(text(result.current?.value), "3");
    assert.equal(store.revision, 6);
  });
});
