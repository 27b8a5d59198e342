import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, describe, it } from "mocha";
import { spawn } from "node:child_process";
import { DatabaseError } from "../../src/errors.js";
import type { NodeId } from "../../src/raft/types.js";
import { TcpTransport } from "../../src/transport/tcp.js";
import { appendOf } from "../codec/peer-messages.js";
import { CLUSTER_ID, hexId, TcpWorld } from "./tcp-world.js";
import { heartbeat, N1, N2, N3 } from "./transport-contract.js";
import { FakeListener, welcomeAs, welcomeFrame } from "./wire.js";

describe("tcp transport", () => {
  let world: TcpWorld;
  const fakes: FakeListener[] = [];

  afterEach(async () => {
    await world.closeAll();
    for (const fake of fakes.splice(0)) await fake.close();
  });

  async function listenAs(
    id: NodeId,
    script: Parameters<typeof FakeListener.listen>[1],
  ): Promise<FakeListener> {
    const fake = await FakeListener.listen(world.portOf(id), script, () => {
      world.happened();
    });
    fakes.push(fake);
    return fake;
  }

  const said = (id: NodeId): readonly string[] => world.recorderOf(id).notices;

  /** Both ends of a refusal say so, and why. */
  async function assertRefused(dialer: NodeId, listener: NodeId, reason: string): Promise<void> {
    const saysWhy = (id: NodeId, text: string): boolean =>
      said(id).some((notice) => notice.includes(text) && notice.includes(`(${reason}): `));
    await world.until(() => saysWhy(listener, `refused ${dialer} from 127.0.0.1:`));
    await world.until(() => saysWhy(dialer, `${listener} at ${world.addressOf(listener)} refuses`));
    assert.equal(world.isConnected(dialer, listener), false);
  }

  it("two clusters do not mix: both say so, and neither learns the other's id", async () => {
    world = await TcpWorld.create([N1, N2]);
    const other = hexId(0xabc);
    world.make(N2, { clusterId: other });
    await world.start(N1, N2);
    await assertRefused(N1, N2, "wrong-cluster");
    await assertRefused(N2, N1, "wrong-cluster");
    const heard = (id: NodeId): readonly string[] =>
      said(id).filter((notice) => notice.includes("refuses this node"));
    assert.ok(heard(N1).every((notice) => !notice.includes(other)));
    assert.ok(heard(N2).every((notice) => !notice.includes(CLUSTER_ID)));
    const [connection] = world.transportOf(N1).connections();
    assert.match(connection?.lastError ?? "", /refused \(wrong-cluster\)/);
    assert.equal(connection?.clientAddress, undefined);
  });

  it("a node that was removed is refused", async () => {
    world = await TcpWorld.create([N1, N2, N3]);
    const n1 = world.make(N1, { peers: new Map([[N2, world.addressOf(N2)]]) });
    n1.setPeers(new Map([[N2, world.addressOf(N2)]]), new Set([N3]));
    await world.start(N1, N3);
    await assertRefused(N3, N1, "removed");
  });

  it("a node of this cluster that is not known here is answered as long as it calls", async () => {
    world = await TcpWorld.create([N1, N2, N3]);
    const n1 = world.make(N1, { peers: new Map([[N2, world.addressOf(N2)]]) });
    const knows = (): boolean => n1.connections().some(({ id }) => id === N3);
    await world.start(N1, N3);
    const recorder = world.recorderOf(N3);
    await world.until(() => world.isConnected(N3, N1) && world.isConnected(N1, N3));
    n1.send(N3, heartbeat(N1, 1));
    n1.flush();
    await world.until(() => recorder.messages.length === 1);
    assert.ok(knows());
    assert.ok(world.recorderOf(N1).incarnations.has(N3));
    await world.transportOf(N3).close();
    await world.until(() => !knows());
  });

  it("peers that are set later are dialed, and those that are not in the set are left", async () => {
    world = await TcpWorld.create([N1, N2]);
    const n1 = world.make(N1, { peers: new Map() });
    const n2 = world.make(N2, { peers: new Map() });
    await world.start(N1, N2);
    n1.setPeers(new Map([[N2, world.addressOf(N2)]]), new Set());
    n2.setPeers(new Map([[N1, world.addressOf(N1)]]), new Set());
    await world.until(() => world.recorderOf(N1).connected.includes(N2));
    await world.until(() => world.recorderOf(N2).connected.includes(N1));
    n1.setPeers(new Map(), new Set([N2]));
    await world.until(() => world.recorderOf(N1).disconnected.includes(N2));
    assert.deepEqual(n1.connections(), []);
  });

  it("a peer whose address is none is not dialed, and said; the others are", async () => {
    world = await TcpWorld.create([N1, N2, N3]);
    const n1 = world.make(N1, { peers: new Map() });
    await world.start(N1, N2);
    for (const address of ["garbage", `${"a".repeat(254)}:13141`, "host:0"]) {
      const peers = new Map([
        [N3, address],
        [N2, world.addressOf(N2)],
      ]);
      n1.setPeers(peers, new Set());
      assert.ok(said(N1).some((text) => text.includes(`n3 cannot be called: "${address}"`)));
    }
    await world.until(() => world.isConnected(N1, N2));
    assert.deepEqual(
      n1.connections().map(({ id }) => id),
      [N2],
    );
    await world.start(N3);
    await world.until(() => world.isConnected(N1, N3));
  });

  it("a second node of the same id is refused", async () => {
    world = await TcpWorld.create([N1, N2]);
    await world.start(N1);
    // n2's place is taken by another n1, that believes n2 to be where n1 is
    const twin = new TcpTransport({
      nodeId: N1,
      clusterId: CLUSTER_ID,
      incarnationId: hexId(7),
      listenAddress: world.addressOf(N2),
      clientAddress: "",
      peers: new Map([[N2, world.addressOf(N1)]]),
      random: () => 0,
    });
    const recorder = world.recorderOf(N2);
    try {
      await twin.start(recorder);
      const toldOf = (notices: readonly string[]): boolean =>
        notices.some((notice) => notice.includes("(own-id)"));
      await world.until(() => toldOf(said(N1)) && toldOf(recorder.notices));
    } finally {
      await twin.close();
    }
  });

  it("a call that reaches another node than it meant is refused", async () => {
    world = await TcpWorld.create([N1, N2, N3]);
    world.make(N2, { peers: new Map([[N3, world.addressOf(N1)]]) });
    await world.start(N1, N2);
    const saysSo = (id: NodeId, text: RegExp): boolean =>
      said(id).some((notice) => text.test(notice));
    const refusal = /n3 at .* refuses this node \(misdirected\): this is n1, not n3/;
    await world.until(() => saysSo(N2, refusal));
    await world.until(() => saysSo(N1, /refused n2 .*\(misdirected\)/));
  });

  it("a listener of another version is told of, with its own words", async () => {
    world = await TcpWorld.create([N1, N2]);
    await listenAs(N2, ({ socket }) => {
      const text = "this node speaks version 9, the caller 1";
      socket.end(welcomeFrame({ kind: "refused", reason: "protocol-version", text }));
    });
    await world.start(N1);
    await world.until(() => said(N1).length > 0);
    assert.match(said(N1)[0] ?? "", /n2 at .*\(protocol-version\): this node speaks version 9/);
  });

  const noPeers: readonly {
    readonly what: string;
    readonly answer: Uint8Array;
    readonly error: RegExp;
  }[] = [
    {
      what: "answers as another node",
      answer: welcomeFrame({
        kind: "welcome",
        nodeId: N3,
        incarnationId: hexId(3),
        clientAddress: "",
      }),
      error: /n3 answered instead of n2/,
    },
    {
      what: "speaks HTTP",
      answer: Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
      error: /frame of \d+ bytes, where at most 1024 are allowed/,
    },
    { what: "hangs up", answer: Buffer.alloc(0), error: /the peer closed the connection/ },
  ];
  for (const { what, answer, error } of noPeers) {
    it(`a listener that ${what} is not connected to, and connections says why`, async () => {
      world = await TcpWorld.create([N1, N2]);
      await listenAs(N2, ({ socket }) => {
        socket.end(answer);
      });
      await world.start(N1);
      const lastError = (): string | undefined => world.transportOf(N1).connections()[0]?.lastError;
      await world.until(() => error.test(lastError() ?? ""));
      assert.equal(world.isConnected(N1, N2), false);
      assert.deepEqual(world.recorderOf(N1).connected, []);
      assert.deepEqual(world.recorderOf(N1).disconnected, []);
    });
  }

  it("a peer that restarts on its port is connected again, with its new incarnation", async () => {
    world = await TcpWorld.create([N1, N2]);
    await world.connect(N1, N2);
    const incarnation = (): string | undefined =>
      world.transportOf(N1).connections()[0]?.incarnationId;
    const before = incarnation();
    assert.equal(world.transportOf(N1).connections()[0]?.clientAddress, "n2.example:6379");

    await world.close(N2);
    await world.until(() => world.recorderOf(N1).disconnected.length > 0);
    world.make(N2, { clientAddress: "elsewhere.example:1" });
    await world.start(N2);
    await world.until(() => world.isConnected(N1, N2) && world.isConnected(N2, N1));

    assert.notEqual(incarnation(), before);
    assert.equal(world.transportOf(N1).connections()[0]?.clientAddress, "elsewhere.example:1");
    assert.deepEqual(world.recorderOf(N1).disconnected, [N2]);
    assert.deepEqual(world.recorderOf(N1).connected, [N2, N2]);
    world.transportOf(N1).send(N2, heartbeat(N1, 1));
    world.transportOf(N1).flush();
    await world.until(() => world.recorderOf(N2).messages.length === 1);
  });

  it("heartbeats do not wait behind a bulk lane that nobody reads", async () => {
    world = await TcpWorld.create([N1, N2]);
    const welcome = welcomeAs(N2);
    const fake = await listenAs(N2, (called, hello) => {
      welcome(called);
      if (hello.lane === "bulk") called.socket.pause();
    });
    await world.start(N1);
    await world.until(() => world.isConnected(N1, N2));
    const transport = world.transportOf(N1);
    const append = appendOf(N1, 1024 * 1024);
    for (let round = 0; round < 100; round += 1) {
      transport.send(N2, append);
      transport.send(N2, heartbeat(N1, round));
      transport.flush();
    }
    const control = fake.calls.findLast(({ hello }) => hello?.lane === "control");
    await world.until(() => control?.bodies.length === 100);
    const bulk = fake.calls.findLast(({ hello }) => hello?.lane === "bulk");
    assert.deepEqual(bulk?.bodies, []);
  });

  it("a peer that answers and then says nothing is given up", async () => {
    world = await TcpWorld.create([N1, N2]);
    world.make(N1, { lookIntervalMs: 20 });
    await listenAs(N2, welcomeAs(N2));
    await world.start(N1);
    await world.until(() => world.recorderOf(N1).disconnected.length === 1);
    assert.deepEqual(world.recorderOf(N1).connected, [N2]);
    const [connection] = world.transportOf(N1).connections();
    assert.equal(connection?.lastError, "no sign of life");
  });

  it("a listener that never answers a call is given up", async () => {
    world = await TcpWorld.create([N1, N2]);
    world.make(N1, { handshakeMs: 50 });
    const fake = await listenAs(N2, () => {
      // says nothing
    });
    await world.start(N1);
    await world.until(() => fake.calls.length >= 4);
    assert.match(world.transportOf(N1).connections()[0]?.lastError ?? "", /no answer within 50 ms/);
  });

  it("an address that is taken is named, and closing afterwards is no trouble", async () => {
    world = await TcpWorld.create([N1, N2]);
    await world.start(N1);
    world.make(N2, { listenAddress: world.addressOf(N1) });
    await assert.rejects(world.start(N2), (error) => {
      assert.ok(error instanceof DatabaseError);
      assert.equal(error.code, "ADDRESS_UNAVAILABLE");
      assert.ok(error.message.includes(world.addressOf(N1)), error.message);
      assert.match(error.message, /another process listens there/);
      return true;
    });
    await world.close(N2);
  });

  it("a host that is none is named", async () => {
    world = await TcpWorld.create([N1]);
    world.make(N1, { listenAddress: "no-such-host.invalid:1" });
    await assert.rejects(world.start(N1), {
      code: "ADDRESS_UNAVAILABLE",
      message: /cannot listen on no-such-host\.invalid:1: /,
    });
  });

  it("a client address that does not fit a handshake is refused at once", async () => {
    world = await TcpWorld.create([N1]);
    for (const clientAddress of ["h".repeat(301), "two words:1"]) {
      assert.throws(() => world.make(N1, { clientAddress }), { code: "INVALID_ARGUMENT" });
    }
  });

  it("a port is free again once close resolves, also when it overtook the start", async () => {
    world = await TcpWorld.create([N1, N2]);
    for (let run = 0; run < 10; run += 1) {
      world.make(N1);
      await world.start(N1);
      await world.close(N1);
      const overtaken = world.make(N1);
      const starting = assert.rejects(overtaken.start(world.recorderOf(N1)), { code: "CLOSED" });
      await world.close(N1);
      await starting;
    }
    const closed = world.make(N1);
    await closed.close();
    await assert.rejects(closed.start(world.recorderOf(N1)), { code: "CLOSED" });
    world.make(N1);
    await world.connect(N1, N2);
  });
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a script against the compiled transport in a process of its own. */
async function run(script: string): Promise<Ended> {
  const prelude = `
    const { TcpTransport } = await import(${JSON.stringify(new URL("../../src/transport/tcp.js", import.meta.url).href)});
    const { DatabaseError } = await import(${JSON.stringify(new URL("../../src/errors.js", import.meta.url).href)});
    const make = (nodeId, listenAddress, peers) => new TcpTransport({
      nodeId, listenAddress, peers: new Map(peers), clusterId: "c".repeat(32),
      incarnationId: "1".repeat(32), clientAddress: "", random: Math.random,
    });
    const quiet = { onMessage() {}, onPeerIncarnation() {}, onPeerConnected() {}, onPeerDisconnected() {}, onNotice() {} };
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", prelude + script], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = child.stdout.setEncoding("utf8").toArray();
  const errors = child.stderr.setEncoding("utf8").toArray();
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output: (await output).join(""), errors: (await errors).join("") };
}

describe("tcp transport, in a process of its own", () => {
  it("ends by itself after close, connected or dialing in vain", async () => {
    const { code, output, errors } = await run(`
      const a = make("n1", "127.0.0.1:0", [["n9", "127.0.0.1:1"]]);
      await a.start(quiet);
      const connected = Promise.withResolvers?.() ?? (() => {
        let resolve; const promise = new Promise((r) => { resolve = r; }); return { promise, resolve };
      })();
      const c = make("n9", "127.0.0.1:0", [["n1", "127.0.0.1:" + a.port]]);
      await c.start({ ...quiet, onPeerConnected: connected.resolve });
      await connected.promise;
      await a.close();
      await c.close();
      console.log("closed");
    `);
    assert.equal(output, "closed\n", errors);
    assert.equal(code, 0, errors);
  });

  const throwers: readonly { readonly what: string; readonly handler: string }[] = [
    {
      what: "an exception in onMessage",
      handler: `onMessage() { throw new Error("our own mistake"); }`,
    },
    {
      what: "a PROTOCOL error of the handler's own in onMessage",
      handler: `onMessage() { throw new DatabaseError("PROTOCOL", "our own mistake"); }`,
    },
    {
      what: "an exception in onPeerConnected",
      handler: `onPeerConnected() { throw new Error("our own mistake"); }`,
    },
  ];
  for (const { what, handler } of throwers) {
    it(`${what} is no peer's fault: it stops the process`, async () => {
      const { code, output, errors } = await run(`
        const a = make("n1", "127.0.0.1:0", [["n2", "127.0.0.1:1"]]);
        await a.start({ ...quiet, onNotice: console.log, ${handler} });
        const b = make("n2", "127.0.0.1:0", [["n1", "127.0.0.1:" + a.port]]);
        await b.start({
          ...quiet,
          ${handler.startsWith("onPeerConnected") ? handler : ""}
          ${
            handler.startsWith("onPeerConnected")
              ? ""
              : `onPeerConnected() {
            b.send("n1", { kind: "timeoutNow", from: "n2", term: 1 });
            b.flush();
          },`
          }
        });
      `);
      assert.notEqual(code, 0);
      assert.match(errors, /our own mistake/);
      assert.doesNotMatch(output, /closed the connection/);
    });
  }
});
