/** What was taken for the log and comes back must not happen behind what came after it. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { PendingWrite } from "../../src/node/pending-write.js";
import { Requests } from "../../src/node/requests.js";
import { WriteOrder } from "../../src/node/write-order.js";

describe("writes of one connection", () => {
  const told: string[] = [];

  function write(name: string, order: WriteOrder | undefined): PendingWrite {
    const key = new TextEncoder().encode(name);
    return {
      request: { id: new Uint8Array(0), commands: [{ kind: "delete", key }] },
      size: key.length,
      deadline: 1000,
      needs: "revision",
      done: (error) => told.push(`${name} ${error?.code ?? "applied"}`),
      ...(order === undefined ? {} : { order, orderPlace: order.next() }),
    };
  }

  function namesOf(writes: readonly PendingWrite[]): string {
    return writes
      .map(({ request: { commands } }) => {
        const [first] = commands;
        return first?.kind === "delete" ? new TextDecoder().decode(first.key) : "?";
      })
      .join(" ");
  }

  const cases: readonly {
    readonly what: string;
    /** taken together, one string a block; what is in lower case has no order */
    readonly taken: readonly string[];
    /** which come back, together, one string a time */
    readonly back: readonly string[];
    readonly queue: string;
    readonly told: readonly string[];
  }[] = [
    { what: "all come back", taken: ["A B", "C"], back: ["A B C"], queue: "A B C X", told: [] },
    {
      what: "all come back, the later before the earlier",
      taken: ["A B", "C"],
      back: ["C A B"],
      queue: "A B C X",
      told: [],
    },
    { what: "the last comes back", taken: ["A", "B"], back: ["B"], queue: "B X", told: [] },
    {
      what: "one comes back behind which another is under way",
      taken: ["A", "B"],
      back: ["A"],
      queue: "X",
      told: ["A BUSY"],
    },
    {
      what: "one after another they come back, the later first",
      taken: ["A", "B"],
      back: ["B", "A"],
      queue: "A B X",
      told: [],
    },
    {
      what: "the middle is missing",
      taken: ["A B C"],
      back: ["A C"],
      queue: "C X",
      told: ["A BUSY"],
    },
    {
      what: "those without an order are not held to one",
      taken: ["a A b", "c B"],
      back: ["a A b"],
      queue: "a b X",
      told: ["A BUSY"],
    },
  ];

  for (const { what, taken, back, queue, told: wanted } of cases) {
    it(`when ${what}: ${queue} wait, ${wanted.length} fail`, () => {
      told.length = 0;
      const requests = new Requests();
      const order = new WriteOrder();
      const byName = new Map<string, PendingWrite>();
      for (const block of taken) {
        const names = block.split(" ");
        for (const name of names) {
          const made = write(name, name === name.toUpperCase() ? order : undefined);
          byName.set(name, made);
          requests.enqueue(made);
        }
        assert.equal(requests.take(Infinity, Infinity).length, names.length);
      }
      requests.enqueue(write("X", order));
      for (const names of back) {
        requests.putBack(names.split(" ").flatMap((name) => byName.get(name) ?? []));
      }
      assert.deepEqual(told, wanted);
      assert.equal(namesOf(requests.take(Infinity, Infinity)), queue);
    });
  }

  it("that were forwarded late and placed early come back in their order when a term ends", () => {
    told.length = 0;
    const requests = new Requests();
    const order = new WriteOrder();
    for (const name of ["A", "B"]) requests.enqueue(write(name, order));
    const [first, second] = requests.take(Infinity, Infinity);
    assert.ok(first !== undefined && second !== undefined);
    const id = Uint8Array.from({ length: 16 }, (_, i) => i);
    const named = { ...first, request: { ...first.request, id } };
    requests.forwarded(1, [named], Term(1));
    requests.placed(LogIndex(9), Term(1), [second]);
    requests.putBack(requests.supersededBy(LogIndex(5), Term(2)));
    assert.deepEqual(told, []);
    assert.equal(namesOf(requests.take(Infinity, Infinity)), "A B");
  });
});
