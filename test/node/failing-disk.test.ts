/** A node whose disk fails says so once, answers everybody, and leaves its directory to the next. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { openNode, type OpenedNode } from "../../src/node/lifecycle.js";
import type { File, OpenMode } from "../../src/storage/file-system.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { NoPeers } from "../../src/transport/no-peers.js";

/** From a moment on it changes nothing any more, as one that the kernel has mounted read-only after an error. */
class FailingFileSystem extends NodeFileSystem {
  isReadOnly = false;
  /** snapshots whose sync does not come back */
  stuckCount = 0;

  override open(file: string, mode: OpenMode): File {
    return new Proxy(super.open(file, mode), {
      get: (target, name): unknown => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name === "datasyncLater" && file.includes("/snapshots/")) {
          return () => {
            this.stuckCount += 1;
          };
        }
        if (name === "write" || name === "datasync" || name === "truncate") {
          return (...args: unknown[]): unknown => {
            this.#refuse(name);
            return Reflect.apply(member, target, args);
          };
        }
        if (name === "datasyncLater" && this.isReadOnly) {
          return (done: (error: Error) => void) => {
            setImmediate(done, readOnly(name));
          };
        }
        return member.bind(target) as unknown;
      },
    });
  }

  override rename(from: string, to: string): void {
    this.#refuse("rename");
    super.rename(from, to);
  }

  override remove(file: string): void {
    this.#refuse("remove");
    super.remove(file);
  }

  override syncDirectory(directory: string): void {
    this.#refuse("fsync");
    super.syncDirectory(directory);
  }

  #refuse(call: string): void {
    if (this.isReadOnly) throw readOnly(call);
  }
}

function readOnly(call: string): Error {
  return Object.assign(new Error(`EROFS: read-only file system, ${call}`), {
    code: "EROFS",
    syscall: call,
  });
}

describe("a node whose disk fails", () => {
  let directory: string;
  let disk: FailingFileSystem;
  let told: Promise<Error>;
  let node: OpenedNode;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "balsa-failing-"));
    disk = new FailingFileSystem();
    let tell: (error: Error) => void = assert.ifError;
    told = new Promise((resolve) => (tell = resolve));
    node = await open(disk, (error) => {
      tell(error);
    });
  });
  afterEach(async () => {
    disk.isReadOnly = false;
    await node.close().catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  });

  function open(
    fileSystem: NodeFileSystem,
    onFailure: (error: Error) => void,
  ): Promise<OpenedNode> {
    return openNode({
      settings: {
        id: "e",
        peerAddress: "none",
        clientAddress: "none",
        cluster: new Map([["e", "none"]]),
        dataDirectory: directory,
        electionTimeoutMs: 30,
        heartbeatMs: 10,
        snapshotEntries: 20,
        onFailure,
      },
      fileSystem,
      makeTransport: () => new NoPeers(),
    });
  }

  /** @returns the error's code, or what became of it */
  function put(name: string, then = (): void => undefined): Promise<string> {
    const key = Buffer.from(name);
    return new Promise((resolve) => {
      node.service.execute(
        { id: new Uint8Array(0), commands: [{ kind: "put", key, value: key, condition: "none" }] },
        60_000,
        (error, result) => {
          then();
          resolve(error?.code ?? result?.kind ?? "nothing");
        },
      );
    });
  }

  async function untilASnapshotIsBeingWritten(): Promise<void> {
    for (let i = 0; disk.stuckCount === 0; i += 1) assert.equal(await put(`k${i}`), "applied");
  }

  async function opensAgain(): Promise<void> {
    const again = await open(new NodeFileSystem(), () => undefined);
    await again.close();
  }

  it("tells why although it can remove nothing of the snapshot under way, and frees its directory", async () => {
    await untilASnapshotIsBeingWritten();
    disk.isReadOnly = true;
    assert.equal(await put("last"), "OUTCOME_UNKNOWN");
    assert.match((await told).message, /EROFS/);
    await opensAgain();
  });

  it("answers whoever asks again as soon as it is told", async () => {
    assert.equal(await put("first"), "applied");
    disk.isReadOnly = true;
    const again: Promise<string>[] = [];
    const first = await put("second", () => {
      again.push(put("third"));
      again.push(
        new Promise((resolve) => {
          node.service.read(60_000, (error) => {
            resolve(error?.code ?? "served");
          });
        }),
        new Promise((resolve) => {
          node.service.whenRevision(1_000_000, 60_000, (error) => {
            resolve(error?.code ?? "served");
          });
        }),
      );
    });
    assert.equal(first, "OUTCOME_UNKNOWN");
    assert.deepEqual(await Promise.all(again), ["CLOSED", "CLOSED", "CLOSED"]);
    await told;
  });

  it("is closed although its log cannot be sealed, and its directory is free", async () => {
    assert.equal(await put("first"), "applied");
    disk.isReadOnly = true;
    await assert.rejects(node.close(), { code: "STORAGE_FAILED" });
    await opensAgain();
  });
});
