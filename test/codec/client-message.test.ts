import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { CLIENT_PREAMBLE } from "../../src/codec/client-message.js";
import {
  decodeClientRequest,
  encodeClientRequest,
  encodeClientRequestFrame,
} from "../../src/codec/client-request.js";
import {
  decodeClientResponse,
  encodeClientResponse,
  encodeClientResponseFrame,
} from "../../src/codec/client-response.js";
import { encodeFrame } from "../../src/codec/frame.js";
import { DatabaseError } from "../../src/errors.js";
import { clientRequests, clientResponses, plain } from "./client-message-samples.js";

const SEED = 20_240_613;
/** The kind of a request whose rows block.ts reads. */
const EXECUTE = 1;
const ANSWERED = 75;

function isProtocolError(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "PROTOCOL";
}

describe("codec: native client messages", () => {
  it("the preamble begins with a byte that is no RESP and no HTTP", () => {
    assert.equal(Buffer.from(CLIENT_PREAMBLE).toString("latin1"), "\0BALSA\x02\n");
  });

  it("every request reads back as it was written", () => {
    fc.assert(
      fc.property(clientRequests, (request) => {
        assert.deepEqual(plain(decodeClientRequest(encodeClientRequest(request))), plain(request));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("every answer reads back as it was written", () => {
    fc.assert(
      fc.property(clientResponses, (response) => {
        const read = decodeClientResponse(encodeClientResponse(response));
        assert.deepEqual(plain(read), plain(response));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("a frame made in one buffer is the frame of the body", () => {
    fc.assert(
      fc.property(clientRequests, clientResponses, (request, response) => {
        const requestFrame = encodeFrame(encodeClientRequest(request));
        assert.deepEqual(encodeClientRequestFrame(request), requestFrame);
        const responseFrame = encodeFrame(encodeClientResponse(response));
        assert.deepEqual(encodeClientResponseFrame(response), responseFrame);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it("what is read is a copy: a connection's buffer is written over by the next frame", () => {
    fc.assert(
      fc.property(clientRequests, clientResponses, (request, response) => {
        const requestBody = encodeClientRequest(request);
        const readRequest = decodeClientRequest(requestBody);
        requestBody.fill(0x7f);
        assert.deepEqual(plain(readRequest), plain(request));
        const responseBody = encodeClientResponse(response);
        const readResponse = decodeClientResponse(responseBody);
        responseBody.fill(0x7f);
        assert.deepEqual(plain(readResponse), plain(response));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  describe("what is no message is refused", () => {
    const huge = [0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f];
    const requestCases: readonly { readonly name: string; readonly body: readonly number[] }[] = [
      { name: "nothing", body: [] },
      { name: "a kind that is unknown", body: [8, 2] },
      { name: "an answer's kind", body: [66, 2] },
      { name: "an id of 0", body: [5, 0] },
      { name: "no id", body: [5] },
      { name: "a negative id", body: [5, 1] },
      { name: "an id with a superfluous byte", body: [5, 0x82, 0] },
      { name: "an id that never ends", body: [5, ...Array.from({ length: 20 }, () => 0x80)] },
      {
        name: "an id beyond the safe integers",
        body: [5, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      },
      { name: "bytes behind it", body: [5, 2, 0] },
      { name: "a timeout of 0", body: [4, 2, 0] },
      { name: "a timeout of years", body: [4, 2, ...huge] },
      { name: "a key longer than the message", body: [2, 2, 2, ...huge, 0x6b] },
      { name: "a key that is missing", body: [2, 2, 2] },
      { name: "a page of no keys", body: [3, 2, 2, 0, 0, 0, 2] },
      { name: "a log before its start", body: [6, 2, 0, 2] },
      { name: "a request of no rows", body: [1, 2, 2, 0, 0] },
      { name: "a request of garbage", body: [1, 2, 2, 0, 6, 1, 2, 3] },
      { name: "an answer's detail that is unknown", body: [1, 2, 2, 4, 0] },
    ];
    for (const { name, body } of requestCases) {
      it(`a request with ${name}`, () => {
        assert.throws(() => decodeClientRequest(Buffer.from(body)), isProtocolError);
      });
    }

    const queryCases: readonly { readonly name: string; readonly query: readonly number[] }[] = [
      { name: "nothing", query: [] },
      { name: "an unknown kind", query: [99] },
      { name: "a key that ends early", query: [1, 5, 97] },
      { name: "no room for a page", query: [2, 0, 0, 1, 0, 0] },
      { name: "a flag of 2", query: [5, 1, 97, 2, 0, 1, 1] },
      { name: "bytes behind it", query: [4, 0] },
    ];
    for (const { name, query } of queryCases) {
      it(`a question with ${name}`, () => {
        const body = Buffer.from([9, 2, 2, 2 * query.length, ...query]);
        assert.throws(() => decodeClientRequest(body), isProtocolError);
      });
    }

    const failedHead = [72, 2, 4, 0x4e, 0x4f, 0, 0, 0];
    const responseCases: readonly { readonly name: string; readonly body: readonly number[] }[] = [
      { name: "a request's kind", body: [5, 2] },
      { name: "a list that counts more than its bytes hold", body: [67, 2, 2, 0, ...huge, 0] },
      { name: "a list with bytes left over", body: [67, 2, 2, 0, 0, 2, 0] },
      {
        name: "two states of one key",
        body: [66, 2, 2, 4, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      },
      { name: "a boolean of 2", body: [71, 2, 2, 0, 0] },
      { name: "text that is not UTF-8", body: [68, 2, 2, 0xff] },
      { name: "a verdict that is unknown", body: [65, 2, 2, 200, 1, 0, 0, 0] },
      { name: "a refused command in an applied request", body: [65, 2, 2, 0, 2, 0, 0] },
      { name: "a result with unknown bits", body: [65, 2, 2, 0, 0, 2, 4, 4, 0] },
      { name: "an error code that is unknown", body: failedHead },
      {
        name: "revisions that are not there",
        body: [72, 2, 12, 0x43, 0x4c, 0x4f, 0x53, 0x45, 0x44, 0, 0, 0, 0, 2, 0, 0],
      },
      { name: "an answer that ends early", body: [75, 2, 2, 0] },
      { name: "something found that is not known", body: [76, 2, 2, 2, 99] },
      { name: "something found that ends early", body: [76, 2, 2, 4, 1, 1] },
      { name: "more things found than there are", body: [76, 2, 2, 4, 7, 100] },
      {
        name: "a change with unknown bits",
        body: [76, 2, 2, 22, 5, 2, 0, 1, 0, 1, 97, 1, 1, 4, 0],
      },
      { name: "a checksum of 33 bits", body: [70, 2, 0x80, 0x80, 0x80, 0x80, 0x20, 0] },
    ];
    for (const { name, body } of responseCases) {
      it(`an answer with ${name}`, () => {
        assert.throws(() => decodeClientResponse(Buffer.from(body)), isProtocolError);
      });
    }
  });

  it("bytes that were changed are refused, or are another message in its only form", () => {
    const edits = fc.array(fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        clientRequests,
        clientResponses,
        edits,
        fc.nat(),
        (request, response, changes, cut) => {
          for (const bytes of changed(encodeClientRequest(request), changes, cut)) {
            // The rows inside an execution are block.ts's to be strict about.
            if (bytes[0] !== EXECUTE) hasOneForm(bytes, decodeClientRequest, encodeClientRequest);
            else readsOrRefuses(bytes, decodeClientRequest);
          }
          for (const bytes of changed(encodeClientResponse(response), changes, cut)) {
            // What is inside an answer is store/answer.ts's.
            if (bytes[0] === ANSWERED) readsOrRefuses(bytes, decodeClientResponse);
            else hasOneForm(bytes, decodeClientResponse, encodeClientResponse);
          }
        },
      ),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

interface Change {
  readonly at: number;
  readonly to: number;
}

function changed(body: Buffer, changes: readonly Change[], cut: number): readonly Buffer[] {
  for (const { at, to } of changes) body[at % body.length] = to;
  return [body, body.subarray(0, cut % body.length)];
}

function hasOneForm<T>(
  bytes: Buffer,
  decode: (bytes: Buffer) => T,
  encode: (message: T) => Buffer,
): void {
  const message = readsOrRefuses(bytes, decode);
  if (message !== undefined) assert.deepEqual(encode(message), bytes);
}

function readsOrRefuses<T>(bytes: Buffer, decode: (bytes: Buffer) => T): T | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (!isProtocolError(error)) throw error;
    return undefined;
  }
}
