import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ScanCursors } from "../../../src/doors/resp/scan-cursors.js";

const key = (text: string): Buffer => Buffer.from(text);

describe("scan cursors", () => {
  it("lead back to the last key seen, and may be asked again", () => {
    const cursors = new ScanCursors();
    const first = cursors.advance("0", key("a"));
    const second = cursors.advance(first, key("b"));
    assert.equal(cursors.find(second)?.toString(), "b");
    assert.equal(cursors.find(first)?.toString(), "a");
    assert.equal(cursors.find("12345"), undefined);
    assert.match(second, /^[1-9][0-9]{0,14}$/);
  });

  it("hold two places a scan, however long it is", () => {
    const cursors = new ScanCursors();
    let cursor = "0";
    for (let i = 0; i < 1000; i++) cursor = cursors.advance(cursor, key(`k${i}`));
    assert.equal(cursors.count, 2);
  });

  it("are bounded: the scan left longest is forgotten, never one under way", () => {
    const cursors = new ScanCursors({ countMax: 10, sizeMax: 1000 });
    const left = cursors.advance("0", key("left"));
    let busy = cursors.advance("0", key("busy"));
    for (let i = 0; i < 50; i++) {
      cursors.advance("0", key(`other ${i}`));
      busy = cursors.advance(busy, key(`busy ${i}`));
    }
    assert.equal(cursors.count, 10);
    assert.equal(cursors.find(left), undefined);
    assert.equal(cursors.find(busy)?.toString(), "busy 49");
  });

  it("are bounded in bytes too", () => {
    const cursors = new ScanCursors({ countMax: 100, sizeMax: 1000 });
    for (let i = 0; i < 20; i++) cursors.advance("0", Buffer.alloc(300));
    assert.equal(cursors.count, 3);
  });
});
