/**
 * Three nodes in this process, over real sockets and files, that count what they
 * ask of the system. No doors: requests are given to the nodes themselves.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { openNode, type OpenedNode } from "../../src/node/lifecycle.js";
import type { NodeService } from "../../src/node/service.js";
import { NodeId } from "../../src/raft/types.js";
import type { File, FileSystem, OpenMode } from "../../src/storage/file-system.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { TcpTransport } from "../../src/transport/tcp.js";
import { reservePorts } from "../ports.js";

const IDS = ["n1", "n2", "n3"].map(NodeId);

/** What one node asked of its disk. */
export interface DiskCounts {
  flushes: number;
  writes: number;
}

class CountingFileSystem extends NodeFileSystem implements FileSystem {
  readonly counts: DiskCounts = { flushes: 0, writes: 0 };

  override open(file: string, mode: OpenMode): File {
    const { counts } = this;
    const opened = super.open(file, mode);
    return new Proxy(opened, {
      get(target, name) {
        if (name === "datasync" || name === "datasyncLater") counts.flushes += 1;
        if (name === "write") counts.writes += 1;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  }
}

export class LoopbackCluster implements AsyncDisposable {
  readonly #directory: string;
  readonly #nodes: readonly OpenedNode[];
  readonly disks: readonly DiskCounts[];

  private constructor(
    directory: string,
    nodes: readonly OpenedNode[],
    disks: readonly DiskCounts[],
  ) {
    this.#directory = directory;
    this.#nodes = nodes;
    this.disks = disks;
  }

  static async open(): Promise<LoopbackCluster> {
    const directory = mkdtempSync(path.join(tmpdir(), "balsa-loopback-"));
    const ports = await reservePorts(IDS.length);
    const cluster = new Map(IDS.map((id, at) => [id, `127.0.0.1:${ports[at] ?? 0}`]));
    const nodes: OpenedNode[] = [];
    const disks: DiskCounts[] = [];
    for (const [id, peerAddress] of cluster) {
      const fileSystem = new CountingFileSystem();
      disks.push(fileSystem.counts);
      const dataDirectory = path.join(directory, id);
      // Patient: what is counted is what requests cost, not what a busy machine's elections do.
      const times = { electionTimeoutMs: 3000, heartbeatMs: 500 };
      const clientAddress = "127.0.0.1:1";
      nodes.push(
        await openNode({
          settings: { id, peerAddress, clientAddress, cluster, dataDirectory, ...times },
          fileSystem,
          makeTransport: ({ incarnationId, clusterId, nodeId }) =>
            new TcpTransport({
              ...{ nodeId, clusterId, incarnationId, clientAddress, random: Math.random },
              listenAddress: peerAddress,
              peers: new Map([...cluster].filter(([member]) => member !== id)),
            }),
        }),
      );
    }
    return new LoopbackCluster(directory, nodes, disks);
  }

  /** The leader, once it has committed the first entry of its term. */
  async leader(): Promise<NodeService> {
    for (;;) {
      const leader = this.#nodes.find(({ service }) => {
        const { role, commitIndex, lastIndex } = service.info();
        return role === "leader" && commitIndex === lastIndex;
      });
      if (leader !== undefined) return leader.service;
      await turn();
    }
  }

  /** A node that follows, and knows whom. */
  async follower(): Promise<NodeService> {
    await this.leader();
    for (;;) {
      const follower = this.#nodes.find(({ service }) => {
        const { role, leader } = service.info();
        return role === "follower" && leader !== undefined;
      });
      if (follower !== undefined) return follower.service;
      await turn();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Puts `count` keys, all at once, and waits until all of them are acknowledged. */
export function putTogether(service: NodeService, count: number): Promise<void> {
  const value = Buffer.alloc(100, "v");
  return new Promise((resolve, reject) => {
    let open = count;
    for (let i = 0; i < count; i += 1) {
      const key = Buffer.from(`key:${String(i).padStart(10, "0")}`);
      service.execute(
        { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] },
        60_000,
        (error) => {
          open -= 1;
          if (error !== undefined) reject(error);
          else if (open === 0) resolve();
        },
        "revision",
      );
    }
  });
}
