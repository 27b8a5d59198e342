/** Replies as the simulated redis clients read them, in whatever pieces they come. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ReplyReader, type Reply } from "../../src/simulation/resp-reply.js";

const TEXT =
  "+OK\r\n-ERR no\r\n:42\r\n$5\r\na\r\nb!\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n*0\r\n";
const REPLIES: readonly Reply[] = [
  { kind: "status", text: "OK" },
  { kind: "error", text: "ERR no" },
  { kind: "number", text: "42" },
  { kind: "bulk", text: "a\r\nb!" },
  { kind: "nothing" },
  { kind: "nothing" },
  {
    kind: "array",
    items: [
      { kind: "number", text: "1" },
      { kind: "array", items: [{ kind: "bulk", text: "" }] },
    ],
  },
  { kind: "array", items: [] },
];

describe("replies of RESP", () => {
  it("are the same in pieces of any size", () => {
    for (let size = 1; size <= TEXT.length; size += 1) {
      const reader = new ReplyReader();
      const replies: Reply[] = [];
      for (let at = 0; at < TEXT.length; at += size) {
        reader.push(Buffer.from(TEXT.slice(at, at + size)));
        for (let reply = reader.next(); reply !== undefined; reply = reader.next())
          replies.push(reply);
      }
      assert.deepEqual(replies, REPLIES, `in pieces of ${size}`);
    }
  });

  it("that are none are told", () => {
    const reader = new ReplyReader();
    reader.push(Buffer.from("hello\r\n"));
    assert.throws(() => reader.next(), /begins with "h"/);
  });
});
