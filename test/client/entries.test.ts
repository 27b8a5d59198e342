/** What the entries of the package load, and how a database is opened and connected to. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "mocha";
import { connect, open } from "../../src/index.js";
import { rejectsWith } from "../rejections.js";
import { nobodysEndpoint } from "./remote-scene.js";

/** A disk may stand still for seconds. */
const PATIENT = { timeoutMs: 60_000 } as const;

/** What is loaded with a file, and what is loaded when it is needed. */
const IMPORT = /(?:^(?:import|export)\s(?:[^"';`]*?\sfrom\s)?|\bimport\()["'](\.[^"']+)["']/gm;

/** Every compiled file that importing `entry` loads, at once or later, relative to src. */
function loadedBy(entry: URL): Set<string> {
  const seen = new Set<string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    for (const [, target = ""] of readFileSync(file, "utf8").matchAll(IMPORT)) {
      visit(new URL(target, file));
    }
  };
  visit(entry);
  const root = fileURLToPath(new URL("../../src", import.meta.url));
  return new Set([...seen].map((href) => path.relative(root, fileURLToPath(href))));
}

describe("library: the client entry", () => {
  it("loads no node, no disk and no peer code, and of Raft only its words", () => {
    const loaded = loadedBy(new URL("../../src/client.js", import.meta.url));
    assert.ok(loaded.has("client/channel.js"), "the check looked");
    const heavy = /^(node|storage|transport|doors|simulation)\/|^raft\/(?!types)|^store\/store\.js/;
    assert.deepEqual(
      [...loaded].filter((file) => heavy.test(file)),
      [],
    );
  });

  it("is less than the whole, which does load the node", () => {
    const whole = loadedBy(new URL("../../src/index.js", import.meta.url));
    assert.ok(whole.has("raft/raft.js") && whole.has("storage/segmented-log.js"));
  });
});

describe("library: open and connect", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "balsa-open-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("open says where the data is, and finds it again", async () => {
    const said: string[] = [];
    {
      await using db = await open({ directory, log: (line) => said.push(line) });
      await db.put("color", "green", PATIENT);
    }
    assert.ok(said.some((line) => line.includes(directory)));
    await using db = await open(directory);
    assert.equal(Buffer.from((await db.get("color", PATIENT))?.value ?? []).toString(), "green");
    await rejectsWith(open(directory), "DIRECTORY_IN_USE");
  });

  it("open with a cluster is a member of it, which clients reach too", async () => {
    const clientAddress = await nobodysEndpoint();
    const peerAddress = await nobodysEndpoint();
    const member = await open({
      id: "n1",
      peerAddress,
      clientAddress,
      cluster: new Map([["n1", peerAddress]]),
      dataDirectory: directory,
    });
    try {
      await member.put("color", "green", PATIENT);
      await using client = connect([clientAddress]);
      const record = await client.get("color", PATIENT);
      assert.equal(Buffer.from(record?.value ?? []).toString(), "green");
    } finally {
      await member.close();
    }
    await rejectsWith(member.get("color"), "CLOSED");
  });

  it("connect refuses what is no address", () => {
    assert.throws(() => connect(["nowhere"]), { code: "INVALID_ARGUMENT" });
    assert.throws(() => connect([]), { code: "INVALID_ARGUMENT" });
  });
});
