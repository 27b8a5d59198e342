import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { NOTICE_INTERVAL_MS, Notices, NOTICES_MAX } from "../../src/transport/notices.js";

describe("notices", () => {
  let now: number;
  let said: string[];
  let notices: Notices;

  beforeEach(() => {
    now = 5;
    said = [];
    notices = new Notices({ now: () => now, onNotice: (notice) => said.push(notice) });
  });

  it("the same notice is passed on once in an interval, whatever the caller's port", () => {
    for (const port of [1, 2, 65_535]) notices.add(`refused n9 from 10.0.0.1:${port} (own-id)`);
    notices.add("refused n9 from 10.0.0.2:1 (own-id)");
    assert.deepEqual(said, [
      "refused n9 from 10.0.0.1:1 (own-id)",
      "refused n9 from 10.0.0.2:1 (own-id)",
    ]);
  });

  it("it is passed on again in the next interval", () => {
    notices.add("a");
    now += NOTICE_INTERVAL_MS - 1;
    notices.add("a");
    assert.deepEqual(said, ["a"]);
    now += 1;
    notices.add("a");
    assert.deepEqual(said, ["a", "a"]);
  });

  it("beyond so many different ones the rest is counted, and the count told once", () => {
    for (let i = 0; i < NOTICES_MAX + 7; i += 1) notices.add(`stranger ${i}`);
    assert.equal(said.length, NOTICES_MAX);
    now += NOTICE_INTERVAL_MS;
    notices.add("b");
    now += NOTICE_INTERVAL_MS;
    notices.add("c");
    assert.deepEqual(said.slice(NOTICES_MAX), ["7 notices about peers were left out", "b", "c"]);
  });
});
