/** Bad input of every kind: a clear error, and nothing lost or changed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { CLIENT_PREAMBLE } from "../../src/codec/client-message.js";
import {
  balsa,
  balsaOk,
  command,
  commandOk,
  commandServed,
  ClusterProcesses,
  NodeProcess,
  STEADY,
} from "./processes.js";

const BASE_PORT = 13341;

/** Says something to a port and waits for the other side to close, or for `patienceMs`. */
async function say(
  address: string,
  pieces: readonly Uint8Array[],
  patienceMs: number,
): Promise<Buffer> {
  const [host, port] = address.split(":");
  const socket = net.connect(Number(port), host);
  socket.on("error", () => undefined); // being cut off is an answer
  const heard: Buffer[] = [];
  socket.on("data", (chunk) => heard.push(chunk));
  await once(socket, "connect");
  for (const piece of pieces) {
    if (socket.writable) socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const closed = socket.closed ? Promise.resolve() : once(socket, "close");
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, patienceMs))]);
  socket.destroy();
  return Buffer.concat(heard);
}

const garbage = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 7) % 256));
const hostile: readonly { readonly what: string; readonly pieces: readonly Uint8Array[] }[] = [
  { what: "garbage", pieces: [garbage] },
  { what: "half a frame", pieces: [Buffer.from([0, 0, 0, 40, 1, 2, 3, 4, 5, 6])] },
  { what: "a frame of four gigabytes", pieces: [Buffer.from("ffffffff00000000", "hex"), garbage] },
  {
    what: "bytes that drip",
    pieces: Array.from({ length: 40 }, (_, i) => Buffer.from([(i * 77) % 256])),
  },
  { what: "the native preamble, then garbage", pieces: [CLIENT_PREAMBLE, garbage] },
  { what: "half of the native preamble", pieces: [CLIENT_PREAMBLE.subarray(0, 3)] },
  {
    what: "a native frame over the limit",
    pieces: [CLIENT_PREAMBLE, Buffer.from("7fffffff00000000", "hex")],
  },
  {
    what: "a RESP bulk over the limit",
    pieces: [Buffer.from("*2\r\n$3\r\nGET\r\n$999999999\r\n")],
  },
  { what: "a RESP array of a billion", pieces: [Buffer.from("*1000000000\r\n")] },
  { what: "nothing at all", pieces: [] },
];

describe("bad input", function () {
  this.timeout(1_800_000);
  let cluster: ClusterProcesses;

  before(async () => {
    cluster = new ClusterProcesses(3, BASE_PORT, STEADY);
    await cluster.start();
    await cluster.leader();
    await commandOk(["kv", "put", "kept", "as it was"], { endpoints: cluster.endpoints });
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  /**
   * The cluster is what it was: all nodes alive, the same data, no entry but what leaders add
   * by themselves: the first one of a term, and once, when all have been heard, which lives
   * the members are of.
   */
  async function unharmed(task: () => Promise<void>): Promise<void> {
    const calm = await cluster.caughtUp();
    await task();
    const then = await cluster.caughtUp();
    assert.equal(then.nodes.filter(({ alive }) => alive).length, 3);
    const before = calm.nodes[0]?.lastIndex ?? Infinity;
    const log = await commandOk(["log", "inspect", "--json"], {
      endpoints: cluster.nodes[0]?.client ?? "",
    });
    const added = log
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly index: number; readonly kind: string })
      .filter(({ index, kind }) => index > before && kind !== "noop" && kind !== "config");
    assert.deepEqual(added, []);
    const value = await commandOk(["kv", "get", "kept"], { endpoints: cluster.endpoints });
    assert.equal(value, "as it was");
  }

  for (const port of ["peer", "client"] as const) {
    it(`${hostile.length} kinds of hostile bytes on the ${port} port change nothing`, async () => {
      await unharmed(async () => {
        const node = cluster.nodes[0];
        assert.ok(node !== undefined);
        await Promise.all(hostile.map(({ pieces }) => say(node[port], pieces, 500)));
      });
    });
  }

  const commandLines: readonly {
    readonly what: string;
    readonly line: readonly string[];
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    { what: "an unknown flag", line: ["kv", "get", "k", "--colour"], code: 2, says: /--colour/ },
    { what: "a missing argument", line: ["kv", "put", "k"], code: 2, says: /value/i },
    { what: "an unknown command", line: ["kv", "frobnicate"], code: 2, says: /frobnicate/ },
    { what: "an absent key", line: ["kv", "get", "nobody"], code: 3, says: /nobody/ },
    { what: "an empty key", line: ["kv", "put", "", "v"], code: 2, says: /empty/i },
    { what: "a key too large", line: ["kv", "put", "k".repeat(8193), "v"], code: 2, says: /8193/ },
    {
      what: "a timeout that is none",
      line: ["kv", "get", "k", "--timeout", "soon"],
      code: 2,
      says: /soon/,
    },
    {
      what: "an endpoint that is none",
      line: ["kv", "get", "k", "--endpoints", "nowhere"],
      code: 2,
      says: /nowhere/,
    },
    {
      what: "a directory without a log",
      line: ["log", "inspect", "/nonexistent-directory"],
      code: 2,
      says: /nonexistent-directory/,
    },
  ];
  for (const { what, line, code, says } of commandLines) {
    it(`${what} ends with ${code} and says so`, async () => {
      const finished = await commandServed(line, { endpoints: cluster.endpoints });
      assert.equal(finished.code, code, finished.stderr);
      assert.match(finished.stderr, says);
      assert.equal(finished.stdout, "");
    });
  }

  it("a value too large is refused with the limit and the size, and nothing is written", async () => {
    await unharmed(async () => {
      const finished = await balsa(["kv", "put", "big", "-"], {
        endpoints: cluster.endpoints,
        stdin: Buffer.alloc(1024 * 1024 + 1, "x"),
      });
      assert.equal(finished.code, 2, finished.stderr);
      assert.match(finished.stderr, /1048577/);
      assert.match(finished.stderr, /1048576/);
    });
    const { code } = await commandServed(["kv", "get", "big"], { endpoints: cluster.endpoints });
    assert.equal(code, 3);
  });

  it("a value of exactly the limit goes in and comes out byte for byte", async () => {
    const value = Buffer.alloc(1024 * 1024, "0123456789");
    await balsaOk(["kv", "put", "limit", "-"], { endpoints: cluster.endpoints, stdin: value });
    const back = await commandOk(["kv", "get", "limit"], { endpoints: cluster.endpoints });
    assert.equal(back, value.toString());
  });

  const starts: readonly {
    readonly what: string;
    readonly flags: Readonly<Record<string, string>>;
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    {
      what: "an id that is not in the cluster",
      flags: { id: "n9" },
      code: 2,
      says: /n9.*not in the cluster|n9/,
    },
    { what: "an id that cannot be one", flags: { id: "../etc" }, code: 2, says: /\.\.\/etc/ },
    { what: "a cluster without addresses", flags: { cluster: "n1,n2" }, code: 2, says: /n1/ },
    { what: "a peer address that is none", flags: { peer: "here" }, code: 2, says: /here/ },
  ];
  for (const { what, flags, code, says } of starts) {
    it(`node start with ${what} ends with ${code}`, async () => {
      const peers = "x1=127.0.0.1:13391,x2=127.0.0.1:13392,x3=127.0.0.1:13393";
      const given: Record<string, string> = {
        id: "x1",
        peer: "127.0.0.1:13391",
        client: "127.0.0.1:14391",
        cluster: peers,
        data: path.join(cluster.directory, "never"),
        ...flags,
      };
      const line = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
      const finished = await command(["node", "start", ...line]);
      assert.equal(finished.code, code, finished.stderr);
      assert.match(finished.stderr, says);
    });
  }

  function stranger(options: {
    readonly id?: string;
    readonly peer?: string;
    readonly client?: string;
    readonly cluster?: string;
    readonly directory: string;
  }): Promise<{ code: number | null; stderr: string }> {
    const id = options.id ?? "x1";
    const peer = options.peer ?? "127.0.0.1:13391";
    return balsa([
      ...["node", "start", "--id", id, "--peer", peer],
      ...["--client", options.client ?? "127.0.0.1:14391", "--data", options.directory],
      ...["--cluster", options.cluster ?? `${id}=${peer},x2=127.0.0.1:13392,x3=127.0.0.1:13393`],
    ]);
  }

  it("a second owner of a directory ends with 10 at once and touches nothing", async () => {
    await unharmed(async () => {
      const victim = cluster.nodes[0];
      assert.ok(victim !== undefined);
      const members = cluster.nodes.map(({ id, peer }) => `${id}=${peer}`).join(",");
      const { code, stderr } = await stranger({
        id: victim.id,
        peer: victim.peer,
        cluster: members,
        directory: victim.directory,
      });
      assert.equal(code, 10, stderr);
      assert.match(stderr, new RegExp(String(victim.pid)));
    });
  });

  it("a port in use is named, with either port", async () => {
    await unharmed(async () => {
      const [first] = cluster.nodes;
      assert.ok(first !== undefined);
      for (const port of ["peer", "client"] as const) {
        const directory = path.join(cluster.directory, `${port}-port-in-use`);
        const { code, stderr } = await stranger({ [port]: first[port], directory });
        assert.equal(code, 1, stderr);
        assert.match(stderr, new RegExp(first[port]));
      }
    });
  });

  it("a directory of another node is refused and says whose it is", async () => {
    const mine = new NodeProcess({
      id: "y1",
      peer: "127.0.0.1:13394",
      client: "127.0.0.1:14394",
      cluster: "y1=127.0.0.1:13394",
      directory: path.join(cluster.directory, "y1"),
    });
    await mine.start();
    await mine.end("SIGTERM");
    const { code, stderr } = await stranger({ directory: mine.directory });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /y1/);
  });

  it("a directory that cannot be made is named", async () => {
    const file = path.join(cluster.directory, "a-file");
    writeFileSync(file, "not a directory");
    const { code, stderr } = await stranger({ directory: path.join(file, "data") });
    assert.notEqual(code, 0);
    assert.match(stderr, /a-file/);
  });

  it("a node of another cluster is refused by the peers and changes nothing", async () => {
    await unharmed(async () => {
      const [first, second] = cluster.nodes;
      assert.ok(first !== undefined && second !== undefined);
      // It believes n1 and n2 to be its own cluster's.
      await using intruder = new DisposableNode(
        new NodeProcess({
          id: "n3x",
          peer: "127.0.0.1:13395",
          client: "127.0.0.1:14395",
          cluster: `${first.id}=${first.peer},${second.id}=${second.peer},n3x=127.0.0.1:13395`,
          directory: path.join(cluster.directory, "n3x"),
        }),
      );
      await intruder.node.start();
      await cluster.until("a refusal in both logs", async () =>
        /wrong-cluster|another cluster|unknown/i.test(intruder.node.log) &&
        /wrong-cluster|another cluster|unknown/i.test(first.log)
          ? true
          : undefined,
      );
    });
  });

  it("an unwritable directory is named", async function () {
    if (process.getuid?.() === 0) {
      // Root may write everywhere but into a file system that does not allow it.
      const { code, stderr } = await stranger({ directory: "/proc/balsa" });
      assert.notEqual(code, 0);
      assert.match(stderr, /\/proc\/balsa/);
      return;
    }
    const directory = path.join(cluster.directory, "read-only");
    mkdirSync(directory);
    chmodSync(directory, 0o500);
    const { code, stderr } = await stranger({ directory });
    assert.notEqual(code, 0);
    assert.match(stderr, /read-only/);
  });
});

class DisposableNode implements AsyncDisposable {
  readonly node: NodeProcess;
  constructor(node: NodeProcess) {
    this.node = node;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.end("SIGTERM");
  }
}
