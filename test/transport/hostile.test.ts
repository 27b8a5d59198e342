/** What strangers and broken peers do to the peer port, and how little comes of it. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { encodeFrame } from "../../src/codec/frame.js";
import { encodeWelcome, type RefuseReason } from "../../src/codec/handshake.js";
import { encodePeerMessage } from "../../src/codec/peer-message.js";
import { NodeId } from "../../src/raft/types.js";
import { randomStream } from "../../src/simulation/random.js";
import { NOTICE_INTERVAL_MS } from "../../src/transport/notices.js";
import { hexId, TcpWorld } from "./tcp-world.js";
import { heartbeat, N1, N2, N3 } from "./transport-contract.js";
import { Caller, helloFrame, messageFrame } from "./wire.js";

const HEADER_TOO_LARGE = Buffer.from("ffffffff00000000", "hex");
/** a hello's header, and none of its body */
const HALF = helloFrame().subarray(0, 11);

describe("peer port", () => {
  let world: TcpWorld;
  const callers: Caller[] = [];
  const drips: NodeJS.Timeout[] = [];
  /** notices while n1 and n2 found each other */
  let saidBefore = 0;

  async function open(options: { readonly handshakeMs?: number } = {}): Promise<void> {
    world = await TcpWorld.create([N1, N2, N3], { lookIntervalMs: 50 });
    world.make(N1, options);
    await world.start(N1, N2);
    await world.until(() => world.isConnected(N1, N2) && world.isConnected(N2, N1));
    saidBefore = world.recorderOf(N1).notices.length;
  }

  beforeEach(() => open());
  afterEach(async () => {
    for (const drip of drips.splice(0)) clearInterval(drip);
    for (const { socket } of callers.splice(0)) socket.destroy();
    await world.closeAll();
  });

  async function call(port = world.portOf(N1)): Promise<Caller> {
    const caller = await Caller.connect(port, () => {
      world.happened();
    });
    callers.push(caller);
    return caller;
  }

  async function introduced(lane: "control" | "bulk" = "control"): Promise<Caller> {
    const caller = await call();
    caller.write(helloFrame({ lane }));
    await world.until(() => caller.answers.length === 1);
    assert.equal(caller.answers[0]?.kind, "welcome");
    return caller;
  }

  /** n1 and n2 speak as before, and were never apart. */
  async function assertUntouched(): Promise<void> {
    const { messages } = world.recorderOf(N1);
    const seen = messages.length;
    world.transportOf(N2).send(N1, heartbeat(N2, 77));
    world.transportOf(N2).flush();
    await world.until(() => messages.length > seen);
    assert.deepEqual(messages.slice(seen), [heartbeat(N2, 77)]);
    for (const id of [N1, N2]) assert.deepEqual(world.recorderOf(id).disconnected, []);
  }

  const said = (): readonly string[] => world.recorderOf(N1).notices.slice(saidBefore);

  const strangers: readonly {
    readonly what: string;
    readonly act: (caller: Caller) => void;
    readonly notice: RegExp;
    /** milliseconds that it has for its introduction; else as good as any */
    readonly handshakeMs?: number;
  }[] = [
    {
      what: "garbage",
      act: (caller) => {
        const random = randomStream(4, "garbage");
        caller.write(Buffer.from(Array.from({ length: 4096 }, () => random.integer(0, 255))));
      },
      notice: /a stranger .*frame of \d+ bytes, where at most 1024 are allowed/,
    },
    {
      what: "a browser",
      act: (caller) => {
        caller.write(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      },
      notice: /where at most 1024 are allowed/,
    },
    {
      what: "a frame of 4 GiB",
      act: (caller) => {
        caller.write(HEADER_TOO_LARGE);
      },
      notice: /frame of 4294967295 bytes/,
    },
    {
      what: "a frame that fails its checksum",
      act: (caller) => {
        const frame = helloFrame();
        frame[20] = (frame[20] ?? 0) ^ 1;
        caller.write(frame);
      },
      notice: /fails its checksum/,
    },
    {
      what: "half a frame",
      act: (caller) => {
        caller.write(HALF);
      },
      notice: /a stranger .*(no introduction within 400 ms|a frame that does not go on)/,
      handshakeMs: 400,
    },
    {
      what: "a byte now and then",
      act: (caller) => {
        const frame = helloFrame();
        let offset = 0;
        const drip = setInterval(() => {
          if (!caller.isClosed) caller.write(frame.subarray(offset, (offset += 1)));
        }, 25);
        drips.push(drip);
      },
      notice: /no introduction within 400 ms/,
      handshakeMs: 400,
    },
    {
      what: "silence",
      act: () => {
        // says nothing
      },
      notice: /no introduction within 400 ms/,
      handshakeMs: 400,
    },
  ];
  for (const { what, act, notice, handshakeMs } of strangers) {
    it(`a stranger with ${what} is cut off, with one notice`, async () => {
      if (handshakeMs !== undefined) {
        // What was said of a peer that was slower than that is not said again of a stranger.
        do {
          await world.closeAll();
          await open({ handshakeMs });
        } while (saidBefore > 0);
      }
      const caller = await call();
      act(caller);
      await world.until(() => caller.isClosed);
      await assertUntouched();
      assert.equal(said().length, 1);
      assert.match(said()[0] ?? "", notice);
      assert.deepEqual(caller.answers, []);
    });
  }

  it("a stranger that hangs up is worth no notice, whether it ends or resets", async () => {
    for (const hangUp of ["end", "resetAndDestroy"] as const) {
      const caller = await call();
      caller.write(HALF);
      caller.socket[hangUp]();
      await world.until(() => caller.isClosed);
    }
    await assertUntouched();
    assert.deepEqual(said(), []);
  });

  const malformed: readonly { readonly what: string; readonly frame: Buffer }[] = [
    { what: "an empty frame", frame: encodeFrame(Buffer.alloc(0)) },
    { what: "a message before its introduction", frame: messageFrame(heartbeat(N3, 1)) },
    {
      what: "an answer in the place of an introduction",
      frame: encodeFrame(encodeWelcome({ kind: "refused", reason: "own-id", text: "" })),
    },
    { what: "an introduction cut short", frame: encodeFrame(Buffer.from([0xb0, 2, 0x40])) },
  ];
  for (const { what, frame } of malformed) {
    it(`a stranger with ${what} is told that it is malformed`, async () => {
      const caller = await call();
      caller.write(frame);
      await world.until(() => caller.isClosed);
      await assertUntouched();
      assert.equal(said().length, 1);
      assert.match(said()[0] ?? "", /refused a stranger .*\(malformed\)/);
      const [answer] = caller.answers;
      assert.equal(answer?.kind, "refused");
      assert.equal(answer.reason, "malformed");
    });
  }

  const refusals: readonly {
    readonly reason: RefuseReason;
    readonly hello: Parameters<typeof helloFrame>[0];
    readonly text: RegExp;
  }[] = [
    {
      reason: "protocol-version",
      hello: { protocolVersion: 1 },
      text: /speaks version 3, the caller 1/,
    },
    { reason: "wrong-cluster", hello: { clusterId: hexId(1) }, text: /is not this node's cluster/ },
    {
      reason: "unknown-node",
      hello: { nodeId: NodeId("n9"), peerAddress: "" },
      text: /n9 is not known here, and tells no address/,
    },
    { reason: "own-id", hello: { nodeId: N1 }, text: /must not share an id/ },
    { reason: "misdirected", hello: { expectedNodeId: N2 }, text: /this is n1, not n2/ },
  ];
  for (const { reason, hello, text } of refusals) {
    it(`a caller is refused: ${reason}`, async () => {
      const caller = await call();
      caller.write(Buffer.concat([helloFrame(hello), messageFrame(heartbeat(N3, 1))]));
      await world.until(() => caller.isClosed);
      await assertUntouched();
      assert.deepEqual(
        caller.answers.map((answer) => (answer.kind === "refused" ? answer.reason : "")),
        [reason],
      );
      assert.equal(said().length, 1);
      assert.ok(said()[0]?.includes(`(${reason})`));
      assert.match(said()[0] ?? "", text);
    });
  }

  it("a refused caller that calls again and again is one notice an interval", async () => {
    const begunAt = performance.now();
    for (let run = 0; run < 10; run += 1) {
      const caller = await call();
      caller.write(helloFrame({ nodeId: NodeId("n9"), peerAddress: "" }));
      await world.until(() => caller.isClosed);
    }
    const intervals = Math.floor((performance.now() - begunAt) / NOTICE_INTERVAL_MS);
    const { length } = said();
    assert.ok(length >= 1 && length <= 1 + intervals, `${length} notices`);
  });

  it("a refused caller that never hangs up does not keep close waiting", async () => {
    const caller = await call();
    caller.write(helloFrame({ nodeId: NodeId("n9"), peerAddress: "" }));
    await world.until(() => caller.answers.length === 1);
    await world.close(N1);
    await world.until(() => caller.isClosed);
  });

  it("a peer that drips a frame byte by byte loses that connection", async () => {
    const caller = await introduced();
    const frame = encodeFrame(Buffer.alloc(4096, 1));
    let offset = 0;
    const drip = setInterval(() => {
      if (!caller.isClosed) caller.write(frame.subarray(offset, (offset += 1)));
    }, 10);
    drips.push(drip);
    await world.until(() => caller.isClosed);
    await assertUntouched();
    assert.match(said()[0] ?? "", /connection of n3 .*a frame that does not go on/);
  });

  const violations: readonly {
    readonly what: string;
    readonly bytes: Buffer;
    readonly notice: RegExp;
  }[] = [
    {
      what: "speaks in another's name",
      bytes: messageFrame(heartbeat(N2, 1)),
      notice: /connection of n3 .*in the name of n2/,
    },
    {
      what: "sends what is no message",
      bytes: encodeFrame(Buffer.from([99])),
      notice: /connection of n3 .*unknown kind 99/,
    },
    {
      what: "sends an empty frame",
      bytes: encodeFrame(Buffer.alloc(0)),
      notice: /connection of n3 .*it is empty/,
    },
    {
      what: "announces 4 GiB",
      bytes: HEADER_TOO_LARGE,
      notice: /connection of n3 .*frame of 4294967295 bytes/,
    },
    {
      what: "introduces itself twice",
      bytes: helloFrame(),
      notice: /connection of n3 .*unknown kind 176/,
    },
    {
      what: "does not go on with a frame",
      bytes: messageFrame(heartbeat(N3, 1)).subarray(0, 12),
      notice: /connection of n3 .*a frame that does not go on/,
    },
  ];
  for (const { what, bytes, notice } of violations) {
    it(`a peer that ${what} loses that connection, and no other`, async () => {
      const bulk = await introduced("bulk");
      const control = await introduced("control");
      const { messages } = world.recorderOf(N1);
      control.write(Buffer.concat([messageFrame(heartbeat(N3, 5)), bytes]));
      await world.until(() => control.isClosed);
      assert.deepEqual(messages, [heartbeat(N3, 5)], "what came before is delivered");
      bulk.write(messageFrame(heartbeat(N3, 6)));
      await world.until(() => messages.length === 2);
      await assertUntouched();
      assert.equal(said().length, 1);
      assert.match(said()[0] ?? "", notice);
    });
  }

  it("a second connection of the same lane replaces the first, without a notice", async () => {
    const bulk = await introduced("bulk");
    const first = await introduced("control");
    const second = await introduced("control");
    await world.until(() => first.isClosed);
    const { messages } = world.recorderOf(N1);
    second.write(messageFrame(heartbeat(N3, 1)));
    bulk.write(messageFrame(heartbeat(N3, 2)));
    await world.until(() => messages.length === 2);
    await assertUntouched();
    assert.deepEqual(said(), []);
  });

  it("a peer hears a sign of life at every look, which keeps it; strangers hear none", async () => {
    const stranger = await call();
    const peer = await introduced();
    await world.until(() => peer.signOfLifeCount >= 10);
    await assertUntouched();
    assert.equal(stranger.signOfLifeCount, 0);
  });

  it("a hundred silent strangers keep no member out: the oldest have to go", async () => {
    const silent: Caller[] = [];
    for (let i = 0; i < 100; i += 1) silent.push(await call());
    const member = await introduced();
    member.write(messageFrame(heartbeat(N3, 1)));
    await world.until(() => world.recorderOf(N1).messages.length === 1);
    await world.until(() => silent.slice(0, 36).every(({ isClosed }) => isClosed));
    await assertUntouched();
    assert.match(said()[0] ?? "", /too many strangers/);
  });

  it("a message of the largest size arrives, and one byte more is a violation", async () => {
    const peer = await introduced("bulk");
    const overhead = encodePeerMessage({ kind: "statusResult", from: N3, id: 0, json: "" }).length;
    // the size of the text takes three bytes more than that of the empty one
    const json = "x".repeat(24 * 1024 * 1024 - overhead - 3);
    const largest = messageFrame({ kind: "statusResult", from: N3, id: 0, json });
    assert.equal(largest.length - 8, 24 * 1024 * 1024);
    peer.write(largest);
    await world.until(() => world.recorderOf(N1).messages.length === 1);
    peer.write(Buffer.from("0180000100000000", "hex"));
    await world.until(() => peer.isClosed);
    assert.match(said()[0] ?? "", /frame of 25165825 bytes/);
  });
});
