/** Every stop of crash-everywhere.ts in a life, and some in its recoveries; `npm run crashes` makes every one. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { callCount, stopAt } from "./crash-everywhere.js";

const RECOVERY_STRIDE = 97;

describe("a machine that stops", function () {
  this.timeout(1_800_000);

  it("at every call of a life, and again at calls of the recovery, is what it was", () => {
    const stopCount = callCount();
    let recoveryStopCount = 0;
    for (let call = 1; call <= stopCount; call += 1)
      recoveryStopCount += stopAt(call, RECOVERY_STRIDE);
    process.stdout.write(
      `      (${stopCount} stops of a life, ${recoveryStopCount} of its recoveries)\n`,
    );
    assert.ok(stopCount > 700 && recoveryStopCount > 400);
  });
});
