/** Which node owes a client a word. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { waitFor } from "../../src/simulation/patience.js";
import { Scheduler } from "../../src/simulation/scheduler.js";

describe("a client whose patience ends", () => {
  const cases: readonly (readonly [title: string, changes: object, owes: boolean])[] = [
    ["of a node that was awake was owed a word", {}, true],
    ["of a node that was paused meanwhile was not", { pauseCount: 2 }, false],
    ["of a node that died meanwhile was not", { life: 4 }, false],
  ];
  for (const [title, changes, owes] of cases) {
    it(title, () => {
      const scheduler = new Scheduler();
      const node = { id: "n1", life: 3, pauseCount: 1, isPaused: false };
      let given = 0;
      waitFor(scheduler, node, "a put", () => {
        given += 1;
        return true;
      });
      Object.assign(node, changes);
      const act = (): boolean => scheduler.step(10_000);
      if (owes) assert.throws(act, /^Error: unanswered: n1 told nothing of a put for 1500 ms$/);
      else assert.ok(act());
      assert.equal(given, 1, "it has stopped waiting");
    });
  }

  it("of a node that was asleep when it was asked was not owed a word", () => {
    const scheduler = new Scheduler();
    const node = { id: "n1", life: 3, pauseCount: 1, isPaused: true };
    waitFor(scheduler, node, "a put", () => true);
    assert.ok(scheduler.step(10_000));
  });

  it("is owed nothing when it was told in time", () => {
    const scheduler = new Scheduler();
    const node = { id: "n1", life: 3, pauseCount: 1, isPaused: false };
    waitFor(scheduler, node, "a put", () => false);
    assert.ok(scheduler.step(10_000));
  });
});
