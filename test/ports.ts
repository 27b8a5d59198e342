/**
 * Ports for those who listen later, or not at all.
 *
 * Of a range out of which the system serves nobody who listens on "any" port or dials: one
 * that was free a moment ago would else be given to another test, now and then. Each worker
 * of a test run has a part of the range, and takes its ports by turns, so that one that was
 * just released is not the next one taken. Below lie the ports of clusters of processes, and
 * from 20000 on those of the benchmarks (bench/systems/ports.ts).
 */
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";

const FIRST = 22_000;
const PART_SIZE = 1000;
const PART_COUNT = 10;

const part = Number(process.env["MOCHA_WORKER_ID"] ?? process.pid) % PART_COUNT;
let turn = process.pid % PART_SIZE;

/** Ports that nobody listens on, all different. */
export async function reservePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    turn = (turn + 1) % PART_SIZE;
    const port = FIRST + part * PART_SIZE + turn;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** One of them. */
export async function reservePort(): Promise<number> {
  const [port = 0] = await reservePorts(1);
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ host: "127.0.0.1", port });
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
