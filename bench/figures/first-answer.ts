/** How long a node that was started needs until it answers a linearizable read. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { benchKey } from "../load/operation.js";
import type { System } from "../systems/system.js";

const POLL_MS = 5;
const ATTEMPT_MS_MAX = 2000;
const PATIENCE_MS = 120_000;

/** @returns milliseconds. @throws {Error} when there is no answer in two minutes */
export async function firstAnswerMs(system: System, port: number): Promise<number> {
  const beganMs = performance.now();
  const ask = system.dialect === "etcd" ? askEtcd : askResp;
  while (performance.now() - beganMs < PATIENCE_MS) {
    if (await ask(port).catch(() => false)) return performance.now() - beganMs;
    await sleep(POLL_MS);
  }
  throw new Error(`${system.name} does not answer at port ${port}`);
}

/** Whether the first key's value came. */
function askResp(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const key = benchKey(0);
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.setTimeout(ATTEMPT_MS_MAX, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("close", () => {
      resolve(false);
    });
    socket.once("data", (chunk) => {
      resolve(/^\$[1-9]/.test(chunk.toString("latin1")));
      socket.destroy();
    });
    socket.write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
  });
}

async function askEtcd(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/v3/kv/range`, {
    method: "POST",
    body: JSON.stringify({ key: Buffer.from(benchKey(0)).toString("base64") }),
    signal: AbortSignal.timeout(ATTEMPT_MS_MAX),
  });
  const answer: unknown = await response.json();
  return typeof answer === "object" && answer !== null && "kvs" in answer;
}
