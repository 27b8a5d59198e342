/**
 * What a request may cost, in what does not depend on the machine: writes to the
 * socket, and memory.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { describe, it } from "mocha";
import { COUNT, GETS, requests, SETS, TurningScene } from "./turning-scene.js";

describe("what a RESP request costs", () => {
  for (const [name, chunk, replySize] of [
    ["SETs", SETS, 5],
    ["GETs", GETS, 108],
    ["INCRs", requests(() => ["INCR", "n"]), undefined],
    ["PINGs", requests(() => ["PING"]), 7],
  ] as const) {
    it(`is one write to the socket for ${COUNT} ${name} that came together`, () => {
      const scene = new TurningScene();
      scene.ask(SETS);
      const { socket } = scene;
      const [writesBefore, sizeBefore] = [socket.writeCount, socket.size];
      scene.ask(chunk);
      assert.equal(socket.writeCount - writesBefore, 1);
      if (replySize !== undefined) assert.equal(socket.size - sizeBefore, COUNT * replySize);
    });
  }

  it(`is one look at the clock for ${COUNT} SETs that came together`, () => {
    const scene = new TurningScene();
    const { service } = scene;
    service.stepMs = 1;
    const before = service.now();
    scene.ask(SETS);
    assert.equal(service.now() - before - service.stepMs, service.stepMs);
  });

  it("is next to no memory for a GET or a SET", () => {
    const program = path.join(import.meta.dirname, "heap-costs.js");
    const flags = ["--expose-gc", "--max-semi-space-size=64", "--single-threaded"];
    const printed = execFileSync(process.execPath, [...flags, program], { encoding: "utf8" });
    const { GET, SET } = JSON.parse(printed) as Record<string, number>;
    assert.ok(GET !== undefined && GET >= 0 && GET < 100, printed);
    // A few numbers of the table's are objects.
    assert.ok(SET !== undefined && SET >= 0 && SET < 160, printed);
  });

  it("is no SET's bytes when its client has gone before it is applied", () => {
    const scene = new TurningScene();
    scene.send(SETS);
    scene.leave();
    scene.service.turn();
    const value = Buffer.alloc(100, "v");
    for (let i = 0; i < COUNT; i++) {
      assert.deepEqual(
        Buffer.from(scene.service.store.get(Buffer.from(`key:${i}`))?.value ?? []),
        value,
      );
    }
  });
});
