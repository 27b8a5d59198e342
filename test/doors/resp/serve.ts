/** A RESP door over a single node, for the length of one test. */
import { ClientDoor } from "../../../src/doors/door.js";
import type { ConnectionLimits } from "../../../src/doors/door.js";
import { RespDoor } from "../../../src/doors/resp/resp-door.js";
import type { RespDoorOptions } from "../../../src/doors/resp/resp-door.js";
import type { Limits } from "../../../src/store/command.js";
import { SingleNodeService } from "../single-node-service.js";
import { RespClient } from "./resp-client.js";

export interface Served {
  readonly service: SingleNodeService;
  readonly door: ClientDoor;
  readonly client: RespClient;
  readonly port: number;
}

export interface ServeOptions {
  readonly limits?: Limits;
  readonly respOptions?: RespDoorOptions;
  readonly connectionLimits?: Partial<ConnectionLimits>;
}

/** No machine is so slow that a door of the tests would lose its patience, unless a test is about that. */
const PATIENCE_MS = 600_000;

export async function withDoor(
  body: (served: Served) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  const service = new SingleNodeService(options.limits);
  const door = await ClientDoor.listen({
    host: "127.0.0.1",
    port: 0,
    protocols: [new RespDoor(service, { timeoutMs: PATIENCE_MS, ...options.respOptions })],
    limits: { stallTimeoutMs: PATIENCE_MS, ...options.connectionLimits },
  });
  try {
    const client = await RespClient.connect(door.port);
    try {
      await body({ service, door, client, port: door.port });
    } finally {
      client.close();
    }
  } finally {
    await door.close();
  }
}

/** Lets the loop turn until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

/** Lets the loop turn so many times. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
