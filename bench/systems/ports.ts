/** Ports for clusters of this machine: a base, with the clients' ports 1000 above it. */
import { createServer } from "node:net";

const PORT_FIRST = 20_000;
const PORT_LAST = 20_900;
const PORT_STEP = 16;
const CLIENT_OFFSET = 1000;

/** Bases given to somebody who may not listen yet. */
let next = PORT_FIRST + PORT_STEP * (process.pid % 50);

/** A base port with `count` free ports at it and `count` at 1000 above it. @throws {Error} when there is none */
export async function freeBasePort(count: number): Promise<number> {
  for (let tries = 0; tries < (PORT_LAST - PORT_FIRST) / PORT_STEP; tries += 1) {
    const base = next;
    next = next + PORT_STEP >= PORT_LAST ? PORT_FIRST : next + PORT_STEP;
    const ports = Array.from({ length: count }, (_, at) => [base + at, base + CLIENT_OFFSET + at]);
    const free = await Promise.all(ports.flat().map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no free ports between ${PORT_FIRST} and ${PORT_LAST + CLIENT_OFFSET}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
