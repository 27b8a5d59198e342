import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  CLIENT_ADDRESS_SIZE_MAX,
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  HANDSHAKE_SIZE_MAX,
  type Hello,
  type Welcome,
} from "../../src/codec/handshake.js";
import { RecordFormat } from "../../src/codec/record.js";
import { DatabaseError } from "../../src/errors.js";
import { NodeId } from "../../src/raft/types.js";
import { randomStream } from "../../src/simulation/random.js";
import { LONG_MAX } from "./peer-messages.js";

const ID = "0123456789abcdef0123456789abcdef";
const LONGEST_ID = NodeId("n".repeat(64));

const HELLO: Hello = {
  protocolVersion: 1,
  clusterId: ID,
  nodeId: NodeId("n1"),
  incarnationId: ID,
  expectedNodeId: NodeId("n2"),
  clientAddress: "127.0.0.1:6379",
  peerAddress: "127.0.0.1:6380",
  lane: "control",
};

const LARGEST_HELLO: Hello = {
  protocolVersion: LONG_MAX,
  clusterId: ID,
  nodeId: LONGEST_ID,
  incarnationId: ID,
  expectedNodeId: LONGEST_ID,
  clientAddress: "a".repeat(CLIENT_ADDRESS_SIZE_MAX),
  peerAddress: "b".repeat(CLIENT_ADDRESS_SIZE_MAX),
  lane: "bulk",
};

const HELLOS: readonly Hello[] = [HELLO, { ...HELLO, clientAddress: "" }, LARGEST_HELLO];

const WELCOMES: readonly Welcome[] = [
  { kind: "welcome", nodeId: NodeId("n2"), incarnationId: ID, clientAddress: "[::1]:6379" },
  {
    kind: "welcome",
    nodeId: LONGEST_ID,
    incarnationId: ID,
    clientAddress: "a".repeat(CLIENT_ADDRESS_SIZE_MAX),
  },
  { kind: "refused", reason: "wrong-cluster", text: "another cluster" },
  { kind: "refused", reason: "malformed", text: "" },
];

function assertProtocol(decode: () => unknown, text: RegExp): void {
  assert.throws(decode, (error) => {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.equal(error.code, "PROTOCOL");
    assert.match(error.message, text);
    return true;
  });
}

describe("handshake", () => {
  it("a hello comes back as it went, and keeps nothing of its bytes", () => {
    for (const hello of HELLOS) {
      const body = encodeHello(hello);
      const decoded = decodeHello(body);
      body.fill(0xff);
      assert.deepEqual(decoded, hello);
    }
  });

  it("an answer comes back as it went, and keeps nothing of its bytes", () => {
    for (const welcome of WELCOMES) {
      const body = encodeWelcome(welcome);
      const decoded = decodeWelcome(body);
      body.fill(0xff);
      assert.deepEqual(decoded, welcome);
    }
  });

  it("the largest hello and the largest answer fit HANDSHAKE_SIZE_MAX", () => {
    assert.ok(encodeHello(LARGEST_HELLO).length <= HANDSHAKE_SIZE_MAX);
    for (const welcome of WELCOMES) {
      assert.ok(encodeWelcome(welcome).length <= HANDSHAKE_SIZE_MAX);
    }
  });

  const refused: readonly { readonly hello: Hello; readonly text: RegExp }[] = [
    { hello: { ...HELLO, clusterId: ID.toUpperCase() }, text: /clusterId is not 32 hex digits/ },
    { hello: { ...HELLO, incarnationId: "" }, text: /incarnationId is not 32 hex digits/ },
    { hello: { ...HELLO, nodeId: "\u001b[2J" as NodeId }, text: /nodeId names no node/ },
    { hello: { ...HELLO, expectedNodeId: "" as NodeId }, text: /expectedNodeId names no node/ },
    { hello: { ...HELLO, clientAddress: "a\nb" }, text: /clientAddress is no address/ },
    { hello: { ...HELLO, clientAddress: "\u001b]0;x" }, text: /clientAddress is no address/ },
    { hello: { ...HELLO, clientAddress: "ä:1" }, text: /clientAddress is no address/ },
    {
      hello: { ...HELLO, clientAddress: "a".repeat(CLIENT_ADDRESS_SIZE_MAX + 1) },
      text: /clientAddress is no address/,
    },
  ];
  for (const { hello, text } of refused) {
    it(`a hello whose ${text.source}: refused`, () => {
      assertProtocol(() => decodeHello(encodeHello(hello)), text);
    });
  }

  it("a hello is no answer and an answer no hello", () => {
    for (const welcome of WELCOMES) {
      assertProtocol(() => decodeHello(encodeWelcome(welcome)), /no hello/);
    }
    assertProtocol(() => decodeWelcome(encodeHello(HELLO)), /no welcome/);
  });

  it("a reason nobody knows yet is malformed, and control characters in its text are masked", () => {
    const later = new RecordFormat(0xb2, "LaterRefused", { reason: "string", text: "string" });
    const body = later.encode({ reason: "too-late", text: "no\u001b[2J\nadmin: ok ü" });
    assert.deepEqual(decodeWelcome(body), {
      kind: "refused",
      reason: "malformed",
      text: "no?[2J?admin: ok ?",
    });
  });

  it("10000 random and harmed bodies: each decodes or is a PROTOCOL error", () => {
    const random = randomStream(3, "handshake");
    const bodies = [...HELLOS.map(encodeHello), ...WELCOMES.map(encodeWelcome)];
    for (let run = 0; run < 10_000; run += 1) {
      const body = Buffer.from(random.pick(bodies));
      for (let harms = random.integer(1, 4); harms > 0; harms -= 1) {
        body[random.integer(0, body.length - 1)] = random.integer(0, 255);
      }
      const cut = body.subarray(0, random.chance(0.5) ? body.length : random.integer(0, 300));
      for (const decode of [decodeHello, decodeWelcome]) {
        try {
          decode(cut);
        } catch (error) {
          assert.ok(error instanceof DatabaseError, String(error));
          assert.equal(error.code, "PROTOCOL");
        }
      }
    }
  });
});
