/** A node's own limits are for its doors: what its log means does not depend on them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "mocha";
import { openNode, type OpenedNode } from "../../src/node/lifecycle.js";
import { NodeId } from "../../src/raft/types.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { type Command, DEFAULT_LIMITS, type RequestResult } from "../../src/store/command.js";
import { NoPeers } from "../../src/transport/no-peers.js";
import { append, bytes, put } from "../store/requests.js";

const TIMEOUT_MS = 60_000;

/** One node alone, whose values may have so many bytes. */
async function nodeOf(dataDirectory: string, valueSizeMax: number): Promise<OpenedNode> {
  const id = NodeId("n1");
  return openNode({
    settings: {
      ...{ id, dataDirectory, peerAddress: "none", clientAddress: "none" },
      cluster: new Map([[id, "none"]]),
      ...{ electionTimeoutMs: 30, heartbeatMs: 10 },
      limits: { ...DEFAULT_LIMITS, valueSizeMax },
    },
    fileSystem: new NodeFileSystem(),
    makeTransport: () => new NoPeers(),
  });
}

function execute({ service }: OpenedNode, command: Command): Promise<RequestResult> {
  return new Promise((resolve, reject) => {
    const request = { id: new Uint8Array(0), commands: [command] };
    service.execute(request, TIMEOUT_MS, (error, result) => {
      if (result === undefined) reject(error ?? new Error("neither an error nor a result"));
      else resolve(result);
    });
  });
}

function valueSize({ service }: OpenedNode, key: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    service.read(TIMEOUT_MS, (error, store) => {
      if (store === undefined) reject(error ?? new Error("neither an error nor a store"));
      else resolve(store.get(bytes(key))?.value.length);
    });
  });
}

describe("a node's own limits", () => {
  it("change nothing of what its log means when it starts with others", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "balsa-limits-"));
    try {
      const small = await nodeOf(directory, 100);
      await execute(small, put("k", "x".repeat(90)));
      // What is added is within them; what becomes of the value the fold's own limit bounds.
      const results = [await execute(small, append("k", "y".repeat(20)))];
      await assert.rejects(execute(small, append("k", "y".repeat(101))), {
        code: "VALUE_TOO_LARGE",
      });
      const sizes = [await valueSize(small, "k")];
      await small.close();
      for (const valueSizeMax of [1000, 100, DEFAULT_LIMITS.valueSizeMax]) {
        const again = await nodeOf(directory, valueSizeMax);
        sizes.push(await valueSize(again, "k"));
        await again.close();
      }
      assert.deepEqual(
        results.map(({ kind }) => kind),
        ["applied"],
      );
      assert.deepEqual(sizes, [110, 110, 110, 110]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
