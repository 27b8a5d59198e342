/** How long a slice of long work may take, by what the others took. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Clock } from "../../src/node/clock.js";
import { Slices } from "../../src/node/slices.js";

class ManualClock implements Clock {
  time = 0;
  idle = 0;
  task: (() => void) | undefined;
  /** milliseconds that the task waits */
  delayMs = 0;
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
    this.later(0, task);
  }
  later(delayMs: number, task: () => void): void {
    assert.equal(this.task, undefined, "at most one slice waits");
    this.task = task;
    this.delayMs = delayMs;
  }
  idleTime(): number {
    return this.idle;
  }
  run(): void {
    const task = this.task;
    this.task = undefined;
    task?.();
  }
  /** Others take so long, and nobody so long. */
  pass(othersMs: number, idleMs: number): void {
    this.time += othersMs + idleMs;
    this.idle += idleMs;
  }
}

const cases: readonly {
  readonly othersMs: number;
  readonly idleMs: number;
  readonly want: number;
  /** milliseconds before the next one */
  readonly pauseMs: number;
}[] = [
  { othersMs: 0, idleMs: 0, want: 0.5, pauseMs: 0 },
  { othersMs: 0.05, idleMs: 0, want: 0.5, pauseMs: 0 },
  { othersMs: 0.05, idleMs: 100, want: 0.5, pauseMs: 0 },
  // never so short that nothing would come of it
  { othersMs: 0.15, idleMs: 0, want: 0.05, pauseMs: 1 },
  { othersMs: 0.2, idleMs: 0.9, want: 0.275, pauseMs: 1 },
  { othersMs: 1, idleMs: 0, want: 0.25, pauseMs: 1 },
  { othersMs: 2, idleMs: 0, want: 0.5, pauseMs: 1 },
  { othersMs: 100, idleMs: 0, want: 0.5, pauseMs: 1 },
];

/** Slices of which one was done, and nothing since for as long as counts. */
function begin(clock: ManualClock): Slices {
  const slices = new Slices(clock);
  for (let i = 0; i < 2; i += 1) {
    slices.schedule(() => (clock.time += 1));
    clock.pass(0, 30);
    clock.run();
  }
  return slices;
}

describe("slices of long work", () => {
  for (const { othersMs, idleMs, want, pauseMs } of cases) {
    it(`take ${want} ms when the others took ${othersMs} and nobody ${idleMs}, then pause ${pauseMs}`, () => {
      const clock = new ManualClock();
      const slices = begin(clock);
      let budget = 0;
      slices.schedule((until) => (budget = until - clock.time));
      clock.pass(othersMs, idleMs);
      clock.run();
      assert.ok(Math.abs(budget - want) < 1e-9, String(budget));
      slices.schedule(() => undefined);
      assert.equal(clock.delayMs, pauseMs);
    });
  }

  it("are as long as they can be again when the others have done nothing for a while", () => {
    const clock = new ManualClock();
    const slices = begin(clock);
    const pauses: number[] = [];
    const go = (othersMs: number): void => {
      slices.schedule((until) => (clock.time = until));
      pauses.push(clock.delayMs);
      clock.pass(othersMs, clock.delayMs);
      clock.run();
    };
    go(2);
    for (let i = 0; i < 20; i += 1) go(0);
    assert.deepEqual([...new Set(pauses)], [0, 1]);
    assert.equal(pauses.indexOf(1), 1);
    assert.equal(pauses.at(-1), 0);
  });

  it("of work that a node waits for pause for nobody", () => {
    const clock = new ManualClock();
    const slices = new Slices(clock);
    slices.schedule(() => undefined, "soon");
    clock.run();
    clock.pass(1, 0);
    let budget = 0;
    slices.schedule((until) => (budget = until - clock.time), "soon");
    assert.equal(clock.delayMs, 0);
    clock.run();
    assert.equal(budget, 0.25);
    // Nobody else has anything to do now, and who had is not waited for.
    slices.schedule((until) => (budget = until - clock.time), "soon");
    clock.run();
    assert.equal(budget, 0.5);
  });

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
