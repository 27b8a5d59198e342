/**
 * What a GET and a SET cost the heap on their way through the RESP door, as JSON:
 * bytes a request. A process of its own, so that nobody else's garbage is counted,
 * and of one thread, so that code is compiled when it has run often enough, not
 * when another thread gets to it:
 *
 *   node --expose-gc --max-semi-space-size=64 --single-threaded dist/test/doors/resp/heap-costs.js
 */
import process from "node:process";
import { COUNT, GETS, SETS, TurningScene } from "./turning-scene.js";

const ROUNDS = 100;
/** a measurement's, before it; the node of all of them has lived for its first seconds */
const ROUNDS_BETWEEN = 300;
const MEASUREMENTS = 25;

/** Once it is compiled, which is not at once: the least of the measurements. */
function bytesOf(chunk: Buffer): number {
  const scene = new TurningScene();
  scene.ask(SETS);
  return Math.min(...Array.from({ length: MEASUREMENTS }, () => measureOnce(scene, chunk)));
}

function measureOnce(scene: TurningScene, chunk: Buffer): number {
  for (let i = 0; i < ROUNDS_BETWEEN; i++) scene.ask(chunk);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < ROUNDS; i++) scene.ask(chunk);
  return (process.memoryUsage().heapUsed - before) / (ROUNDS * COUNT);
}

process.stdout.write(JSON.stringify({ GET: bytesOf(GETS), SET: bytesOf(SETS) }));
