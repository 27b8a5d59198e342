/** Either end of a peer connection in a test's own hands: bytes, frames, and no manners. */
import { once } from "node:events";
import net from "node:net";
import { encodeFrame, FrameReader } from "../../src/codec/frame.js";
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  PEER_PROTOCOL_VERSION,
  type Hello,
  type Welcome,
} from "../../src/codec/handshake.js";
import { encodePeerMessage, type PeerMessage } from "../../src/codec/peer-message.js";
import { NodeId } from "../../src/raft/types.js";
import { CLUSTER_ID, hexId } from "./tcp-world.js";

const BODY_SIZE_MAX = 32 * 1024 * 1024;

export const HELLO: Hello = {
  protocolVersion: PEER_PROTOCOL_VERSION,
  clusterId: CLUSTER_ID,
  nodeId: NodeId("n3"),
  incarnationId: hexId(3),
  expectedNodeId: NodeId("n1"),
  clientAddress: "n3.example:6379",
  peerAddress: "127.0.0.1:9",
  lane: "control",
};

export const helloFrame = (hello: Partial<Hello> = {}): Buffer =>
  encodeFrame(encodeHello({ ...HELLO, ...hello }));
export const welcomeFrame = (welcome: Welcome): Buffer => encodeFrame(encodeWelcome(welcome));
export const messageFrame = (message: PeerMessage): Buffer =>
  encodeFrame(encodePeerMessage(message));

/** A connection to a node's peer port. */
export class Caller {
  readonly socket: net.Socket;
  readonly answers: Welcome[] = [];
  /** bytes of frames after the answer */
  signOfLifeCount = 0;
  isClosed = false;
  readonly #happened: () => void;

  static async connect(port: number, happened: () => void): Promise<Caller> {
    // Half open: it does not hang up only because the other side did.
    const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    await once(socket, "connect");
    return new Caller(socket, happened);
  }

  private constructor(socket: net.Socket, happened: () => void) {
    this.socket = socket;
    this.#happened = happened;
    const reader = new FrameReader({
      bodySizeMax: BODY_SIZE_MAX,
      onFrame: (body) => {
        if (body.length === 0) this.signOfLifeCount += 1;
        else this.answers.push(decodeWelcome(body));
      },
    });
    socket.on("data", (chunk) => {
      reader.push(chunk);
      happened();
    });
    socket.on("error", () => {
      // the other side closed on bytes that were under way
    });
    // A listener that closes is seen as the end of its half, or as a reset.
    socket.on("end", () => {
      this.#closed();
    });
    socket.on("close", () => {
      this.#closed();
    });
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  #closed(): void {
    this.isClosed = true;
    this.#happened();
  }
}

/** One connection that a node dialed to a fake listener. */
export interface Called {
  readonly socket: net.Socket;
  hello: Hello | undefined;
  readonly bodies: Buffer[];
}

/** A listener that does with a connection what its script says once a hello was read. */
export class FakeListener {
  readonly calls: Called[] = [];
  readonly #server: net.Server;

  static async listen(
    port: number,
    script: (called: Called, hello: Hello) => void,
    happened: () => void,
  ): Promise<FakeListener> {
    const fake = new FakeListener(script, happened);
    fake.#server.listen({ host: "127.0.0.1", port });
    await once(fake.#server, "listening");
    return fake;
  }

  private constructor(script: (called: Called, hello: Hello) => void, happened: () => void) {
    this.#server = net.createServer((socket) => {
      const called: Called = { socket, hello: undefined, bodies: [] };
      this.calls.push(called);
      const reader = new FrameReader({
        bodySizeMax: BODY_SIZE_MAX,
        onFrame: (body) => {
          if (called.hello === undefined) {
            called.hello = decodeHello(body);
            script(called, called.hello);
          } else {
            called.bodies.push(Buffer.from(body));
          }
        },
      });
      socket.on("data", (chunk) => {
        reader.push(chunk);
        happened();
      });
      socket.on("error", () => {
        // the dialer hung up
      });
      socket.on("close", happened);
    });
  }

  async close(): Promise<void> {
    for (const { socket } of this.calls) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** The script of a listener that welcomes everybody as `nodeId`. */
export function welcomeAs(nodeId: NodeId): (called: Called) => void {
  return ({ socket }) => {
    socket.write(
      welcomeFrame({
        kind: "welcome",
        nodeId,
        incarnationId: hexId(9),
        clientAddress: "fake.example:6379",
      }),
    );
  };
}
