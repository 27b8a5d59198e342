/**
 * How clients of a simulated cluster talk to a node: through its native door, in
 * the bytes of the protocol, one connection a question. What is between a socket
 * and the node's service is tried with everything else; the socket itself is not.
 */
import { assert } from "../assert.js";
import {
  CLIENT_PREAMBLE,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientRequest,
  type ClientResponse,
} from "../codec/client-message.js";
import { encodeClientRequestFrame } from "../codec/client-request.js";
import { decodeClientResponse } from "../codec/client-response.js";
import { FrameReader } from "../codec/frame.js";
import { nativeSession } from "../doors/native/native-door.js";
import { DatabaseError } from "../errors.js";
import type { ExecuteDone } from "../node/service.js";
import type { KeyValue, Request } from "../store/command.js";
import type { SimulatedNode } from "./simulated-node.js";

type GetDone = (error: DatabaseError | undefined, keyValue: KeyValue | undefined) => void;

/** Has a request applied, and is told all there is to tell. */
export function executeThroughDoor(
  node: SimulatedNode,
  request: Request,
  timeoutMs: number,
  done: ExecuteDone,
): void {
  const message = { kind: "execute", id: 1, timeoutMs, answer: "whole", request } as const;
  ask(node, message, (response) => {
    if (response.kind === "answered") done(undefined, response.result);
    else done(failureOf(response), undefined);
  });
}

/** Reads a key, linearizably. */
export function getThroughDoor(
  node: SimulatedNode,
  key: Uint8Array,
  timeoutMs: number,
  done: GetDone,
): void {
  ask(node, { kind: "get", id: 1, timeoutMs, key }, (response) => {
    if (response.kind === "got") done(undefined, response.keyValue);
    else done(failureOf(response), undefined);
  });
}

function ask(
  node: SimulatedNode,
  request: ClientRequest,
  answered: (response: ClientResponse) => void,
): void {
  const frames = new FrameReader({
    bodySizeMax: CLIENT_RESPONSE_SIZE_MAX,
    onFrame: (body) => {
      answered(decodeClientResponse(body));
    },
  });
  const connection = {
    closed: false,
    write(chunk: Buffer): void {
      node.answers(chunk);
      frames.push(chunk);
    },
    end(): void {
      this.closed = true;
    },
  };
  assert(node.parts !== undefined, "the node asked is up");
  const session = nativeSession(node.parts.node, connection);
  session.receive(Buffer.concat([CLIENT_PREAMBLE, encodeClientRequestFrame(request)]));
}

function failureOf(response: ClientResponse): DatabaseError {
  if (response.kind !== "failed")
    return new DatabaseError("PROTOCOL", `a question was answered with ${response.kind}`, {
      outcome: "unknown",
    });
  const { code, message, outcome } = response;
  return new DatabaseError(code, message, { outcome });
}
