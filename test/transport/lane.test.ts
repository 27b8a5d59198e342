import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { encodeFrame } from "../../src/codec/frame.js";
import { wholeFrame } from "../../src/codec/replication-message.js";
import { Lane } from "../../src/transport/lane.js";
import { Happenings } from "./happenings.js";
import { reservePort } from "../ports.js";
import { N1 } from "./transport-contract.js";
import { FakeListener, HELLO, welcomeAs, welcomeFrame, type Called } from "./wire.js";

const QUEUE_SIZE_MAX = 1024 * 1024;
const BODY = Buffer.alloc(64 * 1024, 1);
const FRAME = wholeFrame(encodeFrame(BODY));

describe("lane", () => {
  let happenings: Happenings;
  let port: number;
  let fake: FakeListener | undefined;
  let lane: Lane;
  let events: string[];

  beforeEach(async () => {
    happenings = new Happenings();
    events = [];
    port = await reservePort();
  });
  afterEach(async () => {
    lane.close("the test is over");
    await fake?.close();
    fake = undefined;
  });

  function note(event: string): void {
    events.push(event);
    happenings.happened();
  }

  function dial(): void {
    lane = new Lane({
      address: { host: "127.0.0.1", port },
      hello: HELLO,
      queueSizeMax: QUEUE_SIZE_MAX,
      handshakeMs: 60_000,
      events: {
        onOpen: ({ clientAddress }) => {
          note(`open ${clientAddress}`);
        },
        onRefused: ({ reason }) => {
          note(`refused ${reason}`);
        },
        onClose: (reason) => {
          note(`close ${reason}`);
        },
      },
    });
  }

  async function open(script: (called: Called) => void = welcomeAs(N1)): Promise<FakeListener> {
    fake = await FakeListener.listen(port, script, () => {
      happenings.happened();
    });
    dial();
    await happenings.until(() => events.length > 0);
    return fake;
  }

  it("drops what goes beyond its bound, keeps no more than it, and sends the rest", async () => {
    const { calls } = await open((called) => {
      welcomeAs(N1)(called);
      called.socket.pause();
    });
    let waitingMax = 0;
    let sentCount = 0;
    // How much the system takes before anything waits is its own affair.
    for (; sentCount < 1000 || lane.droppedCount === 0; sentCount += 1) {
      lane.send(FRAME);
      lane.flush();
      waitingMax = Math.max(waitingMax, lane.waitingSize);
    }
    assert.ok(waitingMax <= QUEUE_SIZE_MAX + BODY.length + 8, `${waitingMax} bytes waited`);

    const [called] = calls;
    called?.socket.resume();
    await happenings.until(() => called?.bodies.length === sentCount - lane.droppedCount);
    assert.ok(called?.bodies.every((body) => body.equals(BODY)));
    const dropped = lane.droppedCount;
    lane.send(FRAME);
    lane.flush();
    await happenings.until(() => called?.bodies.length === sentCount + 1 - dropped);
    assert.equal(lane.droppedCount, dropped);
  });

  it("what is never flushed is bounded too", async () => {
    await open();
    for (let i = 0; i < 1000; i += 1) lane.send(FRAME);
    assert.ok(lane.waitingSize <= QUEUE_SIZE_MAX + BODY.length + 8);
    assert.ok(lane.droppedCount > 900);
  });

  it("what is sent before it is open or after it is closed is dropped", async () => {
    dial();
    lane.send(FRAME);
    lane.flush();
    assert.equal(lane.droppedCount, 1);
    lane.close("enough");
    lane.send(FRAME);
    lane.flush();
    assert.equal(lane.droppedCount, 2);
    assert.equal(lane.waitingSize, 0);
    lane.close("once more");
    assert.deepEqual(events, ["close enough"]);
  });

  it("its end is told once, whoever ends it and however often", async () => {
    const { calls } = await open();
    lane.send(FRAME);
    calls[0]?.socket.resetAndDestroy();
    await happenings.until(() => events.length === 2);
    lane.flush();
    lane.look(1);
    lane.close("again");
    assert.equal(events.length, 2);
    assert.equal(events[0], "open fake.example:6379");
    assert.match(events[1] ?? "", /^close /);
  });

  it("a call nobody takes says so", async () => {
    dial();
    await happenings.until(() => events.length === 1);
    assert.match(events[0] ?? "", /^close .*ECONNREFUSED/);
  });

  it("a refusal is told before the end, and both once", async () => {
    const refusal = welcomeFrame({ kind: "refused", reason: "own-id", text: "you are me" });
    await open(({ socket }) => socket.end(Buffer.concat([refusal, refusal])));
    assert.deepEqual(events, ["refused own-id", "close refused (own-id): you are me"]);
  });

  it("so many looks without a sign of life end it, and not one less", async () => {
    await open();
    lane.look(2); // the welcome was heard
    lane.look(2);
    assert.ok(lane.isOpen);
    lane.look(2);
    assert.equal(events.at(-1), "close no sign of life");
  });
});
