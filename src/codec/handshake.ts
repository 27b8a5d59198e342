/**
 * The handshake of two nodes: who calls, whom it believes to have reached, and
 * whether it is welcome. Judged before a single message of Raft is read.
 *
 *   body := code u8, Avro record              codes apart from the messages'
 *
 * Whatever stands in it may come from a stranger and ends up in logs and tables:
 * names, numbers in hex and addresses have one narrow form, and every other text
 * is printable ASCII once it is read.
 */
import { assert } from "../assert.js";
import type { NodeId } from "../raft/types.js";
import { RecordFormat, violation, type RecordValues } from "./record.js";

/** Two connections to each peer, so that heartbeats and votes never wait behind bulk. */
export type Lane = "control" | "bulk";

/** First frame on a peer connection, from the dialer. */
export interface Hello {
  readonly protocolVersion: number;
  /** 32 hex digits */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, minted with the data directory */
  readonly incarnationId: string;
  /** whom the dialer believes to have reached */
  readonly expectedNodeId: NodeId;
  /** host:port of the dialer's client door; empty when it has none */
  readonly clientAddress: string;
  /** host:port where the dialer listens for peers: whoever does not know it yet can answer it there */
  readonly peerAddress: string;
  readonly lane: Lane;
}

const REFUSE_REASONS = [
  "protocol-version",
  "wrong-cluster",
  "unknown-node",
  "misdirected",
  "own-id",
  "malformed",
  "removed",
] as const;
export type RefuseReason = (typeof REFUSE_REASONS)[number];

export interface Greeting {
  readonly kind: "welcome";
  readonly nodeId: NodeId;
  readonly incarnationId: string;
  readonly clientAddress: string;
}

export interface Refusal {
  readonly kind: "refused";
  readonly reason: RefuseReason;
  /** for people */
  readonly text: string;
}

/** The answer to Hello. */
export type Welcome = Greeting | Refusal;

export const PEER_PROTOCOL_VERSION = 3;
/** bytes; the largest handshake body */
export const HANDSHAKE_SIZE_MAX = 1024;
/** bytes; the longest name of a host, a colon and a port stay well below */
export const CLIENT_ADDRESS_SIZE_MAX = 300;

const HELLO = new RecordFormat(0xb0, "Hello", {
  protocolVersion: "long",
  clusterId: "string",
  nodeId: "string",
  incarnationId: "string",
  expectedNodeId: "string",
  clientAddress: "string",
  peerAddress: "string",
  isBulk: "boolean",
});
const WELCOME = new RecordFormat(0xb1, "Welcome", {
  nodeId: "string",
  incarnationId: "string",
  clientAddress: "string",
});
const REFUSED = new RecordFormat(0xb2, "Refused", { reason: "string", text: "string" });

export function encodeHello(hello: Hello): Buffer {
  const body = HELLO.encode({ isBulk: hello.lane === "bulk", ...hello });
  assert(body.length <= HANDSHAKE_SIZE_MAX, "a hello fits HANDSHAKE_SIZE_MAX");
  return body;
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeHello(body: Uint8Array): Hello {
  if (body[0] !== HELLO.code) throw violation("no hello");
  const values = HELLO.decode(body);
  return {
    protocolVersion: values.count("protocolVersion"),
    clusterId: hexOf(values, "clusterId"),
    nodeId: values.nodeId("nodeId"),
    incarnationId: hexOf(values, "incarnationId"),
    expectedNodeId: values.nodeId("expectedNodeId"),
    clientAddress: addressOf(values, "clientAddress"),
    peerAddress: addressOf(values, "peerAddress"),
    lane: values.flag("isBulk") ? "bulk" : "control",
  };
}

export function encodeWelcome(welcome: Welcome): Buffer {
  const body = welcome.kind === "welcome" ? WELCOME.encode(welcome) : REFUSED.encode(welcome);
  assert(body.length <= HANDSHAKE_SIZE_MAX, "an answer to a hello fits HANDSHAKE_SIZE_MAX");
  return body;
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeWelcome(body: Uint8Array): Welcome {
  if (body[0] === WELCOME.code) {
    const values = WELCOME.decode(body);
    return {
      kind: "welcome",
      nodeId: values.nodeId("nodeId"),
      incarnationId: hexOf(values, "incarnationId"),
      clientAddress: addressOf(values, "clientAddress"),
    };
  }
  if (body[0] !== REFUSED.code) throw violation("no welcome");
  const values = REFUSED.decode(body);
  const said = values.text("reason");
  const reason = REFUSE_REASONS.find((known) => known === said) ?? "malformed";
  return { kind: "refused", reason, text: values.text("text").replaceAll(/[^ -~]/g, "?") };
}

function hexOf(values: RecordValues, name: string): string {
  const text = values.text(name);
  if (!/^[0-9a-f]{32}$/.test(text)) throw violation(`${name} is not 32 hex digits`);
  return text;
}

function addressOf(values: RecordValues, name: string): string {
  const text = values.text(name);
  if (!isClientAddress(text)) throw violation(`${name} is no address`);
  return text;
}

/** Whether `text` can be told in a handshake: printable, without spaces, not too long. */
export function isClientAddress(text: string): boolean {
  return text.length <= CLIENT_ADDRESS_SIZE_MAX && /^[!-~]*$/.test(text);
}
