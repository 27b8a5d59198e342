import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { RecoveryProgress } from "../../src/node/recovery-progress.js";

describe("the progress of a recovery", () => {
  it("is told once a second from the first second on, with what is left", () => {
    let now = 5000;
    const clock = {
      now: () => now,
      wallTime: () => 0,
      start: () => undefined,
      stop: () => undefined,
      defer: () => undefined,
      later: () => undefined,
      idleTime: () => 0,
    };
    const lines: string[] = [];
    const progress = new RecoveryProgress(clock, (line) => lines.push(line), "reading the log");
    for (let done = 0; done <= 40; done += 1) {
      progress.tell(done, 40);
      now += 100;
    }
    assert.deepEqual(lines, [
      "reading the log: 25 %, about 3 s left",
      "reading the log: 50 %, about 2 s left",
      "reading the log: 75 %, about 1 s left",
      "reading the log: 100 %, about 0 s left",
    ]);
  });
});
