import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import type { Command } from "../../src/store/command.js";
import { prefixEnd } from "../../src/store/key-order.js";
import { Store } from "../../src/store/store.js";
import { append, bytes, del, deleteRange, increment, put, request, text } from "./requests.js";

const NO_BYTES = bytes("");

/** A history of requests and what the store must say after each: revision, and keys as key=value@create/mod/version. */
interface History {
  readonly title: string;
  readonly steps: readonly (readonly [
    commands: readonly Command[],
    revision: number,
    state: string,
  ])[];
}

const histories: readonly History[] = [
  {
    title: "the first put has revision 2, each further one adds one, an equal value too",
    steps: [
      [[put("a", "1")], 2, "a=1@2/2/1"],
      [[put("a", "1")], 3, "a=1@2/3/2"],
      [[put("b", "x")], 4, "a=1@2/3/2 b=x@4/4/1"],
    ],
  },
  {
    title: "a request of many commands adds exactly one, shared by all its keys",
    steps: [[[put("a", "1"), put("b", "2"), append("c", "3")], 2, "a=1@2/2/1 b=2@2/2/1 c=3@2/2/1"]],
  },
  {
    title: "two changes of one key in one request count two versions and one revision",
    steps: [[[put("a", "1"), put("a", "2")], 2, "a=2@2/2/2"]],
  },
  {
    title: "deleting what is absent changes nothing",
    steps: [
      [[del("a")], 1, ""],
      [[deleteRange("", "")], 1, ""],
      [[put("a", "1")], 2, "a=1@2/2/1"],
      [[del("b"), deleteRange("b", "c")], 2, "a=1@2/2/1"],
    ],
  },
  {
    title: "a deletion adds one, and a key that comes back starts a new life",
    steps: [
      [[put("a", "1")], 2, "a=1@2/2/1"],
      [[put("a", "2")], 3, "a=2@2/3/2"],
      [[del("a")], 4, ""],
      [[put("a", "3")], 5, "a=3@5/5/1"],
    ],
  },
  {
    title: "deleting and putting a key in one request starts a new life too",
    steps: [
      [[put("a", "1")], 2, "a=1@2/2/1"],
      [[del("a"), put("a", "2")], 3, "a=2@3/3/1"],
    ],
  },
  {
    title: "putting and deleting a new key in one request is a change",
    steps: [[[put("a", "1"), del("a")], 2, ""]],
  },
  {
    title: "a range ends before its end, and an empty end is no bound",
    steps: [
      [
        [put("a", "1"), put("b", "2"), put("c", "3"), put("d", "4")],
        2,
        "a=1@2/2/1 b=2@2/2/1 c=3@2/2/1 d=4@2/2/1",
      ],
      [[deleteRange("b", "d")], 3, "a=1@2/2/1 d=4@2/2/1"],
      [[deleteRange("b", "")], 4, "a=1@2/2/1"],
      [[deleteRange("", "")], 5, ""],
    ],
  },
  {
    title: "a rejected request leaves no trace, whatever came before the refusal",
    steps: [
      [
        [put("a", "1"), put("n", "x"), put("r1", ""), put("r2", "")],
        2,
        "a=1@2/2/1 n=x@2/2/1 r1=@2/2/1 r2=@2/2/1",
      ],
      [
        [
          put("a", "2"),
          put("new", ""),
          del("n"),
          put("n", "y"),
          deleteRange("r", "s"),
          increment("n", 1n),
        ],
        2,
        "a=1@2/2/1 n=x@2/2/1 r1=@2/2/1 r2=@2/2/1",
      ],
      [
        [deleteRange("", ""), put("n", "y"), increment("n", 1n)],
        2,
        "a=1@2/2/1 n=x@2/2/1 r1=@2/2/1 r2=@2/2/1",
      ],
      [[put("a", "2")], 3, "a=2@2/3/2 n=x@2/2/1 r1=@2/2/1 r2=@2/2/1"],
    ],
  },
  {
    title: "conditions are judged on the state before the request",
    steps: [
      [[put("a", "1"), put("a", "2", "present")], 1, ""],
      [[put("a", "1", "absent"), put("a", "2", "absent")], 2, "a=2@2/2/2"],
      [[del("a"), put("a", "3", "absent")], 2, "a=2@2/2/2"],
      [[del("a"), put("a", "3", "present")], 3, "a=3@3/3/1"],
    ],
  },
  {
    title: "increments count an absent key as 0, and adding 0 is a change",
    steps: [
      [[increment("n", 5n)], 2, "n=5@2/2/1"],
      [[increment("n", -7n), increment("n", 1n)], 3, "n=-1@2/3/3"],
      [[increment("n", 0n)], 4, "n=-1@2/4/4"],
    ],
  },
  {
    title: "appending nothing to an absent key creates it empty",
    steps: [
      [[append("a", "")], 2, "a=@2/2/1"],
      [[append("a", "xy")], 3, "a=xy@2/3/2"],
    ],
  },
];

function stateOf(store: Store): string {
  const { keyValues } = store.range(NO_BYTES, NO_BYTES, Infinity, Infinity);
  return keyValues
    .map(
      ({ key, value, createRevision, modRevision, version }) =>
        `${text(key) ?? ""}=${text(value) ?? ""}@${createRevision}/${modRevision}/${version}`,
    )
    .join(" ");
}

describe("the store's revisions", () => {
  it("start at 1 with nothing in it", () => {
    const store = new Store();
    assert.equal(store.revision, 1);
    assert.equal(store.size, 0);
  });
  for (const { title, steps } of histories) {
    it(title, () => {
      const store = new Store();
      for (const [commands, revision, state] of steps) {
        const result = store.apply(request(...commands));
        assert.equal(stateOf(store), state);
        assert.equal(store.revision, revision);
        assert.equal(result.revision, revision);
        assert.equal(store.size, state === "" ? 0 : state.split(" ").length);
      }
    });
  }
});

describe("the store's answers", () => {
  it("hold the key before and after each command", () => {
    const store = new Store();
    store.apply(request(put("a", "1")));
    const result = store.apply(request(put("a", "2"), append("a", "3"), del("a"), del("a")));
    assert.equal(result.kind, "applied");
    const seen = result.results.map((each) => [
      text(each.previous?.value),
      text(each.current?.value),
      each.deletedCount,
    ]);
    assert.deepEqual(seen, [
      ["1", "2", 0],
      ["2", "23", 0],
      ["23", undefined, 1],
      [undefined, undefined, 0],
    ]);
  });

  it("name the command that was refused and the state that refused it", () => {
    const store = new Store();
    store.apply(request(put("a", "x")));
    assert.deepEqual(store.apply(request(put("b", ""), put("a", "", "absent"))), {
      kind: "rejected",
      reason: "condition-failed",
      commandIndex: 1,
      revision: 2,
      current: store.get(bytes("a")),
    });
    assert.deepEqual(store.apply(request(put("b", "", "present"))), {
      kind: "rejected",
      reason: "condition-failed",
      commandIndex: 0,
      revision: 2,
      current: undefined,
    });
  });

  it("own their bytes: neither the request's buffer nor its chunk is kept", () => {
    const store = new Store();
    const chunk = Buffer.from("key-value");
    const key = chunk.subarray(0, 3);
    const value = chunk.subarray(4);
    store.apply({ id: NO_BYTES, commands: [{ kind: "put", key, value, condition: "none" }] });
    chunk.fill(0);
    const record = store.get(bytes("key"));
    assert.equal(text(record?.value), "value");
    assert.equal(record?.value.buffer.byteLength, 5);
    assert.equal(record.key.buffer.byteLength, 3);
  });

  it("stay as they were given when the key changes later", () => {
    const store = new Store();
    store.apply(request(put("a", "old")));
    const before = store.get(bytes("a"));
    store.apply(request(append("a", "er"), put("a", "new")));
    assert.equal(text(before?.value), "old");
    assert.equal(before?.version, 1);
  });
});

describe("an increment", () => {
  const refused: readonly (readonly [value: string, why: string])[] = [
    ["", "empty"],
    ["-", "only a sign"],
    ["+5", "a plus"],
    [" 5", "a leading space"],
    ["5 ", "a trailing space"],
    ["05", "a leading zero"],
    ["-0", "minus zero"],
    ["-05", "a leading zero behind the sign"],
    ["1.0", "a fraction"],
    ["1e3", "an exponent"],
    ["0x10", "hexadecimal"],
    ["9223372036854775808", "one beyond int64"],
    ["-9223372036854775809", "one below int64"],
    ["123456789012345678901", "twenty-one digits"],
    ["1\u00002", "a zero byte"],
  ];
  for (const [value, why] of refused) {
    it(`is refused by ${JSON.stringify(value)}: ${why}`, () => {
      const store = new Store();
      store.apply(request(put("n", value)));
      const result = store.apply(request(increment("n", 1n)));
      assert.equal(result.kind === "rejected" && result.reason, "not-an-integer");
      assert.equal(text(store.get(bytes("n"))?.value), value);
    });
  }

  const sums: readonly (readonly [before: string, by: bigint, after: string | undefined])[] = [
    ["0", 0n, "0"],
    ["9223372036854775806", 1n, "9223372036854775807"],
    ["9223372036854775807", 1n, undefined],
    ["9223372036854775807", -1n, "9223372036854775806"],
    ["-9223372036854775807", -1n, "-9223372036854775808"],
    ["-9223372036854775808", -1n, undefined],
    ["-9223372036854775808", 1n, "-9223372036854775807"],
    ["-1", 1n, "0"],
    ["1", 2n ** 63n, undefined],
    ["-1", 2n ** 63n, undefined],
  ];
  for (const [before, by, after] of sums) {
    it(`of ${before} by ${by.toString()} is ${after ?? "an overflow"}`, () => {
      const store = new Store();
      store.apply(request(put("n", before)));
      const result = store.apply(request(increment("n", by)));
      assert.equal(
        result.kind === "rejected" ? result.reason : "sum",
        after === undefined ? "overflow" : "sum",
      );
      assert.equal(text(store.get(bytes("n"))?.value), after ?? before);
    });
  }
});

describe("an append", () => {
  it("grows a value up to the limit and not one byte beyond", () => {
    const store = new Store({ ...DEFAULT_LIMITS, valueSizeMax: 4 });
    assert.equal(store.apply(request(append("a", "abc"))).kind, "applied");
    assert.equal(store.apply(request(append("a", "d"))).kind, "applied");
    const result = store.apply(request(append("a", "e")));
    assert.equal(result.kind === "rejected" && result.reason, "value-too-large");
    assert.equal(text(store.get(bytes("a"))?.value), "abcd");
  });
});

describe("a range", () => {
  const keys = ["a", "a\u0000", "aa", "ab", "b", "\u007f", "\u0080", "\u00ff", "\u00ff\u00ff"];
  const store = new Store();
  store.apply(request(...keys.toReversed().map((key) => put(key, "0123456789"))));

  const cases: readonly {
    readonly from: string;
    readonly end: string;
    readonly countMax?: number;
    readonly sizeMax?: number;
    readonly want: readonly string[];
    readonly more: boolean;
  }[] = [
    { from: "", end: "", want: keys, more: false },
    { from: "a", end: "b", want: ["a", "a\u0000", "aa", "ab"], more: false },
    { from: "a\u0000", end: "aa", want: ["a\u0000"], more: false },
    { from: "\u0080", end: "", want: ["\u0080", "\u00ff", "\u00ff\u00ff"], more: false },
    { from: "b", end: "a", want: [], more: false },
    { from: "b", end: "b", want: [], more: false },
    { from: "", end: "", countMax: 2, want: ["a", "a\u0000"], more: true },
    { from: "a", end: "aa", countMax: 2, want: ["a", "a\u0000"], more: false },
    { from: "", end: "", countMax: 1, sizeMax: 0, want: ["a"], more: true },
    // 11 bytes are below 12, 23 are not
    { from: "", end: "", sizeMax: 12, want: ["a", "a\u0000"], more: true },
    { from: "", end: "", sizeMax: 11, want: ["a"], more: true },
  ];
  for (const { from, end, countMax = Infinity, sizeMax = Infinity, want, more } of cases) {
    const title = `[${JSON.stringify(from)}, ${JSON.stringify(end)}) count ${countMax} size ${sizeMax}`;
    it(`${title} holds ${JSON.stringify(want)}`, () => {
      const page = store.range(bytes(from), bytes(end), countMax, sizeMax);
      assert.deepEqual(
        page.keyValues.map(({ key }) => text(key)),
        want,
      );
      assert.equal(page.more, more);
    });
  }
});

describe("the end of a prefix", () => {
  const cases: readonly (readonly [prefix: string, end: string])[] = [
    ["", ""],
    ["a", "b"],
    ["ab", "ac"],
    ["a\u00ff", "b"],
    ["a\u00fe\u00ff\u00ff", "a\u00ff"],
    ["\u00ff", ""],
    ["\u00ff\u00ff", ""],
    ["\u0000", "\u0001"],
  ];
  for (const [prefix, end] of cases) {
    it(`${JSON.stringify(prefix)} is ${JSON.stringify(end)}`, () => {
      assert.equal(text(prefixEnd(bytes(prefix))), end);
    });
  }
});
