/** How long a slice of long work may take, by what the others took. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Clock } from "../../src/node/clock.js";
import { Slices } from "../../src/node/slices.js";

class ManualClock implements Clock {
  time = 0;
  task: (() => void) | undefined;
  now(): number {
    return this.time;
  }
  wallTime(): number {
    return this.time;
  }
  start(): void {
    // no ticks
  }
  stop(): void {
    // no ticks
  }
  defer(task: () => void): void {
    assert.equal(this.task, undefined, "at most one slice waits");
    this.task = task;
  }
  run(): void {
    const task = this.task;
    this.task = undefined;
    task?.();
  }
}

const cases: readonly { readonly othersMs: number; readonly want: number }[] = [
  { othersMs: 0, want: 0.5 },
  { othersMs: 0.05, want: 0.5 },
  // never so short that nothing would come of it
  { othersMs: 0.15, want: 0.05 },
  { othersMs: 1, want: 0.25 },
  { othersMs: 2, want: 0.5 },
  { othersMs: 100, want: 0.5 },
];

describe("slices of long work", () => {
  for (const { othersMs, want } of cases) {
    it(`take ${want} ms when the others took ${othersMs}`, () => {
      const clock = new ManualClock();
      const slices = new Slices(clock);
      slices.schedule(() => (clock.time += 1));
      clock.run();
      let budget = 0;
      slices.schedule((until) => (budget = until - clock.time));
      clock.time += othersMs;
      clock.run();
      assert.ok(Math.abs(budget - want) < 1e-9, String(budget));
    });
  }

  it("wait one at a time, and go on after one that throws", () => {
    const clock = new ManualClock();
    const slices = new Slices(clock);
    slices.schedule(() => {
      throw new Error("disk");
    });
    slices.schedule(() => assert.fail("one waits already"));
    assert.throws(() => {
      clock.run();
    }, /disk/);
    let count = 0;
    slices.schedule(() => (count += 1));
    clock.run();
    assert.equal(count, 1);
  });
});
