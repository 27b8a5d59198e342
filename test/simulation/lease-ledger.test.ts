/** The ledger of leases, tried on logs in which they end rightly and wrongly. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Term } from "../../src/raft/types.js";
import type { Command, CommandResult, KeyValue } from "../../src/store/command.js";
import type { Folded } from "../../src/simulation/committed-log.js";
import { LeaseLedger } from "../../src/simulation/lease-ledger.js";

const START = 1_000_000;
const KEY = Uint8Array.of(0x6b);
const RECORD: KeyValue = {
  ...{ key: KEY, value: KEY, createRevision: 2, modRevision: 2, version: 1, lease: 7 },
};

type What = "grant" | "keep" | "put" | "put without" | "expire" | "end" | "delete" | "vanish";

/** A request at `time` of the leader of term 1, or of `term`. */
type Step = readonly [time: number, what: What, term?: number];

function foldedOf([time, what, term = 1]: Step): Folded {
  const none: CommandResult = { previous: undefined, current: undefined, deletedCount: 0 };
  const isPut = what === "put" || what === "put without";
  const isGone = ["end", "delete", "vanish"].includes(what);
  const { lease, ...rest } = RECORD;
  const current: KeyValue = what === "put" ? RECORD : rest;
  const detail = { kind: "lease", lease: 7, ttl: 100, remaining: 100 } as const;
  const commands: Readonly<Record<What, Command>> = {
    grant: { kind: "grantLease", lease: 0, ttl: 100 },
    keep: { kind: "keepLease", lease: lease ?? 0 },
    put: { kind: "put", key: KEY, value: KEY, condition: "none" },
    "put without": { kind: "put", key: KEY, value: KEY, condition: "none" },
    expire: { kind: "expire" },
    end: { kind: "expire" },
    delete: { kind: "delete", key: KEY },
    vanish: { kind: "get", key: KEY },
  };
  const result = { ...none, ...(what === "grant" && { detail }), ...(isPut && { current }) };
  const change = { revision: 2, key: "k", current: isPut ? current : undefined, previous: RECORD };
  return {
    request: { id: new Uint8Array(), commands: [commands[what]] },
    result: { kind: "applied", revision: 2, results: [result] },
    ...{ term: Term(term), time: START + time },
    changes: isPut || isGone ? [change] : [],
  };
}

const cases: readonly {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly wrong?: RegExp;
}[] = [
  {
    title: "an end in time",
    steps: [
      [0, "grant"],
      [10, "put"],
      [100, "end"],
    ],
  },
  {
    title: "an end before its time",
    steps: [
      [0, "grant"],
      [10, "put"],
      [99, "end"],
    ],
    wrong: /ended at 99 .* until 100/,
  },
  {
    title: "an end in the time that was won",
    steps: [
      [0, "grant"],
      [10, "put"],
      [50, "keep"],
      [149, "end"],
    ],
    wrong: /ended at 149 .* until 150/,
  },
  {
    title: "an end after the time that was won",
    steps: [
      [0, "grant"],
      [10, "put"],
      [50, "keep"],
      [150, "end"],
    ],
  },
  {
    title: "an end by a clock that is far ahead",
    steps: [
      [0, "grant"],
      [10, "put"],
      [9_999_999, "end", 2],
    ],
  },
  {
    title: "an end while the clock is behind",
    steps: [
      [0, "grant"],
      [10, "put"],
      [-500, "expire", 2],
      [-415, "end", 2],
    ],
    wrong: /ended at 95/,
  },
  {
    title: "an end of a key that has no lease any more",
    steps: [
      [0, "grant"],
      [10, "put"],
      [20, "put without"],
      [21, "delete"],
    ],
  },
  {
    title: "a key that is deleted before its time",
    steps: [
      [0, "grant"],
      [10, "put"],
      [20, "delete"],
    ],
  },
  {
    title: "a key that is gone, which nobody has deleted",
    steps: [
      [0, "grant"],
      [10, "put"],
      [20, "vanish"],
    ],
    wrong: /nobody has deleted/,
  },
  {
    title: "a key that is left when all ends",
    steps: [
      [0, "grant"],
      [10, "put"],
      [100, "expire"],
    ],
    wrong: /is there behind the entry/,
  },
  {
    title: "an end a little late",
    steps: [
      [0, "grant"],
      [10, "put"],
      [150, "keep"],
      [250, "end"],
    ],
  },
  {
    title: "no end for long under one leader",
    steps: [
      [0, "grant"],
      [10, "put"],
      [150, "put"],
      [550, "put"],
      [900, "put"],
      [1200, "put"],
    ],
    wrong: /1050 ms too long/,
  },
  {
    title: "no end while the only leader was stopped",
    steps: [
      [0, "grant"],
      [10, "put"],
      [101, "put"],
      [1600, "put"],
      [1601, "end"],
    ],
  },
  {
    title: "no end long after the only leader was stopped",
    steps: [
      [0, "grant"],
      [10, "put"],
      [101, "put"],
      [1600, "put"],
      [2000, "put"],
      [2201, "put"],
    ],
    wrong: /1001 ms too long/,
  },
  {
    title: "no end for long under two leaders",
    steps: [
      [0, "grant"],
      [10, "put"],
      [150, "put"],
      [550, "put"],
      [950, "put"],
      [1350, "put", 2],
      [1750, "put", 2],
      [2150, "put", 2],
      [2300, "end", 2],
    ],
  },
];

describe("the ledger of leases", () => {
  for (const { title, steps, wrong } of cases) {
    it(`finds ${title} ${wrong === undefined ? "right" : "wrong"}`, () => {
      const ledger = new LeaseLedger(false);
      const note = (): void => {
        for (const step of steps) ledger.note(foldedOf(step));
      };
      if (wrong === undefined) assert.doesNotThrow(note);
      else assert.throws(note, wrong);
    });
  }

  it("excuses lateness where leaders may have no room", () => {
    const ledger = new LeaseLedger(true);
    for (const step of [
      [0, "grant"],
      [10, "put"],
      [150, "put"],
      [9000, "put"],
    ] as const)
      ledger.note(foldedOf(step));
    assert.equal(ledger.endedCount, 0);
  });
});
