import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "mocha";
import { collides, parseAddress, parseEndpoints } from "../../src/console/address.js";
import { planDevCluster, shellLine } from "../../src/console/dev-cluster.js";
import { parseDuration } from "../../src/console/duration.js";
import { CommandError, failureOf } from "../../src/console/failure.js";
import { nodeStartOf, type NodeFlags } from "../../src/console/node-flags.js";

/** A usage error, with something to do about it, that says `what`. */
function usage(what: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, what);
    assert.notEqual(error.tryThis ?? "", "");
    return true;
  };
}

describe("durations", () => {
  const good: readonly { text: string; ms: number }[] = [
    { text: "5s", ms: 5000 },
    { text: "500ms", ms: 500 },
    { text: "1.5s", ms: 1500 },
    { text: "2m", ms: 120_000 },
    { text: "1h", ms: 3_600_000 },
    { text: "2d", ms: 172_800_000 },
  ];
  for (const { text, ms } of good) {
    it(`${text} is ${ms} ms`, () => {
      assert.equal(parseDuration(text, "--timeout"), ms);
    });
  }
  for (const text of [
    "",
    "5",
    "0s",
    "-1s",
    "5 s",
    "25d",
    "1w",
    "s",
    "1e3s",
    "0.1ms",
    "99999h",
    "5s5s",
  ]) {
    it(`"${text}" is refused`, () => {
      assert.throws(() => parseDuration(text, "--timeout"), usage(/--timeout/));
    });
  }
});

describe("addresses", () => {
  const good: readonly { text: string; host: string; port: number }[] = [
    { text: "127.0.0.1:13141", host: "127.0.0.1", port: 13141 },
    { text: "db-1.example.org:1", host: "db-1.example.org", port: 1 },
    { text: "[::1]:65535", host: "::1", port: 65535 },
    { text: "localhost:80", host: "localhost", port: 80 },
  ];
  for (const { text, host, port } of good) {
    it(`${text} is host ${host}, port ${port}`, () => {
      assert.deepEqual(parseAddress(text, "--peer"), { host, port, text });
    });
  }
  for (const text of [
    "",
    ":1",
    "host",
    "host:",
    "host:0",
    "host:65536",
    "::1:13141",
    "a b:1",
    "h:1x",
    "-h:1",
  ]) {
    it(`"${text}" is refused`, () => {
      assert.throws(() => parseAddress(text, "--peer"), usage(/--peer/));
    });
  }

  it("endpoints are a list, each once, blanks and a scheme passed over", () => {
    const parsed = parseEndpoints(" a:1, tcp://b:2,a:1,");
    assert.deepEqual(
      parsed.map(({ text }) => text),
      ["a:1", "b:2"],
    );
    assert.throws(() => parseEndpoints(" , "), usage(/no address/));
  });

  it("a wrong one is told with where it stood, and an example of its own kind", () => {
    const told = (what: string): readonly [string, string | undefined] => {
      const { message, tryThis } = failureOf(
        thrownBy(() => parseAddress("x", what)),
        "balsa",
      );
      return [message, tryThis?.split(" (")[0]];
    };
    assert.deepEqual(told("--peer"), ['--peer "x" is not HOST:PORT', "--peer 127.0.0.1:13141"]);
    assert.deepEqual(told("n4="), ['n4="x" is not HOST:PORT', "n4=127.0.0.1:13141"]);
    assert.deepEqual(told("BALSA_ENDPOINTS="), [
      'BALSA_ENDPOINTS="x" is not HOST:PORT',
      "BALSA_ENDPOINTS=127.0.0.1:14141",
    ]);
  });

  it("a wildcard collides with every address of its port", () => {
    const at = (text: string) => parseAddress(text, "x");
    assert.equal(collides(at("0.0.0.0:1"), at("127.0.0.1:1")), true);
    assert.equal(collides(at("10.0.0.1:1"), at("127.0.0.1:1")), false);
    assert.equal(collides(at("127.0.0.1:2"), at("127.0.0.1:1")), false);
  });
});

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

const three = "n1=127.0.0.1:13141,n2=127.0.0.1:13142,n3=127.0.0.1:13143";
const sound: NodeFlags = {
  id: "n1",
  peer: undefined,
  client: "127.0.0.1:14141",
  cluster: [three],
  data: undefined,
  "election-timeout": undefined,
  heartbeat: undefined,
  join: undefined,
  "lease-reads": false,
  "snapshot-entries": undefined,
  "snapshot-bytes": undefined,
  retain: undefined,
  "history-changes": undefined,
  "history-bytes": undefined,
  "history-age": undefined,
};

describe("the flags of node start", () => {
  it("need no more than an id and a cluster", () => {
    const { notes, cluster, ...start } = nodeStartOf(sound);
    assert.deepEqual(start, {
      id: "n1",
      peerAddress: "127.0.0.1:13141",
      clientAddress: "127.0.0.1:14141",
      dataDirectory: path.join("data", "n1"),
    });
    assert.deepEqual([...cluster.keys()], ["n1", "n2", "n3"]);
    assert.deepEqual(notes, []);
  });

  const bad: readonly { why: string; flags: Partial<NodeFlags>; message: RegExp }[] = [
    { why: "an id that cannot be one", flags: { id: "-n" }, message: /--id "-n"/ },
    { why: "an id of no member", flags: { id: "n9" }, message: /n9 is not a member/ },
    { why: "an empty cluster", flags: { cluster: [","] }, message: /names no node/ },
    { why: "a member without an address", flags: { cluster: ["n1"] }, message: /"n1" is not ID=/ },
    { why: "a member with a bad id", flags: { cluster: ["n 1=h:1"] }, message: /"n 1"/ },
    { why: "a member with a bad address", flags: { cluster: ["n1=h"] }, message: /HOST:PORT/ },
    { why: "an id twice", flags: { cluster: ["n1=h:1", "n1=h:2"] }, message: /n1 twice/ },
    { why: "an address twice", flags: { cluster: ["n1=h:1,n2=h:1"] }, message: /same address/ },
    { why: "a member at a wildcard", flags: { cluster: ["n1=0.0.0.0:1"] }, message: /cannot dial/ },
    { why: "a bad --peer", flags: { peer: "13141" }, message: /--peer/ },
    { why: "a bad --client", flags: { client: "x" }, message: /--client/ },
    { why: "one port for both", flags: { client: "0.0.0.0:13141" }, message: /same port/ },
    { why: "another member's address", flags: { peer: "127.0.0.1:13142" }, message: /of n2/ },
    { why: "clients on another member's", flags: { client: "127.0.0.1:13143" }, message: /n3/ },
    { why: "an empty data directory", flags: { data: "" }, message: /--data/ },
    { why: "a bad election timeout", flags: { "election-timeout": "150" }, message: /--election/ },
    { why: "no history", flags: { "history-changes": 0 }, message: /--history-changes/ },
    { why: "a bad age", flags: { "history-age": "1w" }, message: /--history-age/ },
    {
      why: "heartbeats too rare",
      flags: { "election-timeout": "100ms", heartbeat: "50ms" },
      message: /third/,
    },
  ];
  for (const { why, flags, message } of bad) {
    it(`refuse ${why}`, () => {
      assert.throws(() => nodeStartOf({ ...sound, ...flags }), usage(message));
    });
  }

  it("say what is kept: of the log and of the history", () => {
    const { history, retention } = nodeStartOf({
      ...sound,
      retain: "30d",
      "history-changes": 7,
      "history-bytes": "1MiB",
      "history-age": "90d",
    });
    assert.deepEqual(retention, { keep: "time", durationMs: 30 * 86_400_000 });
    assert.deepEqual(history, { changeCountMax: 7, sizeMax: 1_048_576, ageMax: 90 * 86_400_000 });
  });

  it("tell what is worth knowing: another address, an even number, an open door", () => {
    const { notes } = nodeStartOf({
      ...sound,
      cluster: ["n1=10.0.0.1:13141,n2=10.0.0.2:13141"],
      peer: "0.0.0.0:13141",
    });
    assert.equal(notes.length, 3);
  });
});

describe("the plan of balsa dev", () => {
  it("gives ports in a row, clients 1000 higher, and a directory each", () => {
    const nodes = planDevCluster({ nodes: 3, basePort: 13141, directory: "data/dev" });
    assert.deepEqual(
      nodes.map(({ id, peer, client, directory }) => ({ id, peer, client, directory })),
      [1, 2, 3].map((at) => ({
        id: `n${at}`,
        peer: `127.0.0.1:${13140 + at}`,
        client: `127.0.0.1:${14140 + at}`,
        directory: path.join("data", "dev", `n${at}`),
      })),
    );
  });

  it("starts nodes with flags that node start accepts", () => {
    for (const { words } of planDevCluster({ nodes: 5, basePort: 20_000, directory: "d" })) {
      const value = (flag: string): string => words[words.indexOf(flag) + 1] ?? "";
      const start = nodeStartOf({
        ...sound,
        id: value("--id"),
        peer: value("--peer"),
        client: value("--client"),
        cluster: [value("--cluster")],
        data: value("--data"),
      });
      assert.equal(start.cluster.size, 5);
    }
  });

  for (const [nodes, basePort] of [
    [0, 13141],
    [10, 13141],
    [3, 0],
    [3, 64_534],
  ] as const) {
    it(`refuses ${nodes} nodes at port ${basePort}`, () => {
      assert.throws(() => planDevCluster({ nodes, basePort, directory: "d" }), usage(/--/));
    });
  }

  it("prints lines that a shell takes back", () => {
    assert.equal(
      shellLine(["balsa", "--data", "my dir", "it's"]),
      `balsa --data 'my dir' 'it'\\''s'`,
    );
  });
});
