/** A client of the native protocol with no manners of its own: bytes out, answers in. */
import { connect, type Socket } from "node:net";
import {
  CLIENT_PREAMBLE,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientRequest,
  type ClientResponse,
} from "../../src/codec/client-message.js";
import { encodeClientRequestFrame } from "../../src/codec/client-request.js";
import { decodeClientResponse } from "../../src/codec/client-response.js";
import { FrameReader } from "../../src/codec/frame.js";

export class RawClient {
  readonly socket: Socket;
  readonly responses: ClientResponse[] = [];
  /** When the peer has said all it says, or the connection broke. */
  readonly ended: Promise<void>;
  #tell: (() => void) | undefined;

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    const frames = new FrameReader({
      bodySizeMax: CLIENT_RESPONSE_SIZE_MAX,
      onFrame: (body) => {
        this.responses.push(decodeClientResponse(body));
        this.#tell?.();
      },
    });
    this.socket.on("data", (chunk: Buffer) => {
      frames.push(chunk);
    });
    this.socket.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.socket.on("end", resolve);
      this.socket.on("close", () => {
        resolve();
      });
    });
  }

  send(...pieces: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  /** The preamble and requests, in one write. */
  begin(...requests: readonly ClientRequest[]): void {
    this.send(CLIENT_PREAMBLE, ...requests.map(encodeClientRequestFrame));
  }

  ask(...requests: readonly ClientRequest[]): void {
    this.send(...requests.map(encodeClientRequestFrame));
  }

  /** The first `count` answers. */
  answers(count: number): Promise<readonly ClientResponse[]> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.responses.length >= count) resolve(this.responses.slice(0, count));
      };
      this.#tell = look;
      look();
    });
  }

  destroy(): void {
    this.socket.destroy();
  }
}
