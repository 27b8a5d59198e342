/** Nodes behind doors behind gates, and the clients that are tried on them; all gone at the end. */
import { createServer, type Server, type Socket } from "node:net";
import {
  connect,
  type ConnectOptions,
  type RemoteDatabase,
} from "../../src/client/remote-database.js";
import { ClientDoor, type ConnectionLimits } from "../../src/doors/door.js";
import { nativeProtocol } from "../../src/doors/native/native-door.js";
import { reservePort } from "../ports.js";
import { Gate } from "./gate.js";
import { SingleNodeService } from "./single-node-service.js";

/** Clients and nodes share this process, which the machine may leave alone for most of the time. */
export const PATIENT = {
  timeoutMs: 250_000,
  connectTimeoutMs: 250_000,
  silenceTimeoutMs: 250_000,
} as const;

export interface SceneNode {
  readonly service: SingleNodeService;
  readonly door: ClientDoor;
  readonly gate: Gate;
}

export class RemoteScene {
  readonly #closers: (() => Promise<void>)[] = [];

  async node(limits: Partial<ConnectionLimits> = {}): Promise<SceneNode> {
    const service = new SingleNodeService();
    const protocols = [nativeProtocol(service)];
    const door = await ClientDoor.listen({ host: "127.0.0.1", port: 0, protocols, limits });
    const gate = await Gate.open(door.port);
    this.#closers.push(async () => {
      service.stop();
      await gate.close();
      await door.close();
    });
    return { service, door, gate };
  }

  /** Something that is no node. @returns its endpoint */
  async stranger(onConnection: (socket: Socket) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      onConnection(socket);
    });
    const port = await listen(server, 0);
    this.#closers.push(async () => {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    });
    return `127.0.0.1:${port}`;
  }

  /** Patient, unless the options say otherwise. */
  client(options: ConnectOptions): RemoteDatabase {
    const client = connect({ ...PATIENT, ...options });
    this.#closers.push(() => client.close());
    return client;
  }

  /** Something else that is to be closed. */
  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

/** An endpoint where nobody listens. */
export async function nobodysEndpoint(): Promise<string> {
  return `127.0.0.1:${await reservePort()}`;
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}
