/** What tells one life from another. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { NodeId, Term } from "../../src/raft/types.js";
import { Digest } from "../../src/simulation/digest.js";

describe("the hash of a life", () => {
  const from = NodeId("n2");
  const arrival = (to: string, term: number, time: number) => (digest: Digest) => {
    digest.addMessage(NodeId(to), { kind: "timeoutNow", from, term: Term(term) }, time);
  };
  const lives: readonly ((digest: Digest) => void)[] = [
    () => undefined,
    (digest) => {
      digest.addLine("n1: leader");
    },
    (digest) => {
      digest.addBytes(Uint8Array.of(1, 2));
    },
    (digest) => {
      digest.addBytes(Uint8Array.of(1, 3));
    },
    arrival("n1", 1, 2),
    arrival("n3", 1, 2),
    arrival("n1", 2, 2),
    arrival("n1", 1, 2.5),
  ];

  it("differs with a line, an answer's bytes, a message, its receiver and its time", () => {
    const hashes = lives.map((live) => {
      const digest = new Digest();
      live(digest);
      return digest.toString();
    });
    assert.equal(new Set(hashes).size, lives.length);
  });
});
