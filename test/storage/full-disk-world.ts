/** A cluster of simulated nodes whose disks have a size: the real driver, core, storage and store. */
import assert from "node:assert/strict";
import type { DatabaseError } from "../../src/errors.js";
import { NodeId } from "../../src/raft/types.js";
import { SimulatedNetwork } from "../../src/simulation/network.js";
import { randomStream, type RandomStream } from "../../src/simulation/random.js";
import { Scheduler } from "../../src/simulation/scheduler.js";
import { requestId, SimulatedNode } from "../../src/simulation/simulated-node.js";

const CLUSTER_ID = "5a".repeat(16);

/** What became of a write; undefined: nobody has said yet. */
export interface Told {
  readonly key: string;
  error: DatabaseError | undefined;
  revision: number | undefined;
  /** simulated milliseconds until it was told */
  afterMs: number | undefined;
}

export interface WorldOptions {
  readonly seed?: number;
  readonly nodeCount: number;
  readonly segmentSizeBytes?: number;
  readonly snapshotEntries?: number;
  readonly flushesOnLoop?: boolean;
}

export class World {
  readonly scheduler = new Scheduler();
  readonly nodes: readonly SimulatedNode[];
  /** lines for the operator, by node */
  readonly notices: string[] = [];
  /** what made a node stop */
  readonly failures = new Map<NodeId, Error>();
  #writeCount = 0;

  constructor(options: WorldOptions) {
    const { seed = 1, nodeCount } = options;
    const ids = Array.from({ length: nodeCount }, (_, i) => NodeId(`n${i + 1}`));
    const random = (name: string): RandomStream => randomStream(seed, name);
    const network = new SimulatedNetwork({
      scheduler: this.scheduler,
      random: random("network"),
      ids,
      faults: {
        delayMs: [0.1, 1],
        dropProbability: 0,
        duplicateProbability: 0,
        stragglerProbability: 0,
      },
      deliver: (to, task) => {
        const node = this.node(to);
        node.run(node.life, task);
      },
    });
    this.nodes = ids.map(
      (id) =>
        new SimulatedNode({
          ...{ id, ids, clusterId: CLUSTER_ID, scheduler: this.scheduler, network, random },
          segmentSizeBytes: options.segmentSizeBytes ?? 4096,
          electionTimeoutMs: 150,
          heartbeatMs: 50,
          leaseReads: false,
          snapshotEntries: options.snapshotEntries ?? 1_000_000,
          disk: { flushMs: [0.1, 0.5], flushesOnLoop: options.flushesOnLoop ?? true },
          trace: (line) => this.notices.push(line),
          onStep: () => undefined,
          onFailure: (node, error) => {
            this.failures.set(node.id, error);
          },
        }),
    );
    for (const node of this.nodes) node.start();
    this.until(() => this.leader !== undefined);
    assert.ok(this.put(this.anyLeader(), "first").revision === undefined);
    this.run(500);
  }

  node(id: NodeId): SimulatedNode {
    const node = this.nodes.find((one) => one.id === id);
    assert.ok(node !== undefined);
    return node;
  }

  /** Who leads, by its own word, in the latest term. */
  get leader(): SimulatedNode | undefined {
    const leaders = this.nodes.filter(({ parts }) => parts?.raft.role === "leader");
    const term = (node: SimulatedNode): number => node.parts?.raft.term ?? 0;
    return leaders.toSorted((a, b) => term(b) - term(a))[0];
  }

  anyLeader(): SimulatedNode {
    assert.ok(this.leader !== undefined, "somebody leads");
    return this.leader;
  }

  follower(): SimulatedNode {
    const follower = this.nodes.find((node) => node !== this.leader);
    assert.ok(follower !== undefined);
    return follower;
  }

  run(ms: number): void {
    const until = this.scheduler.now + ms;
    while (this.scheduler.step(until)) {
      // every step moves time
    }
  }

  until(holds: () => boolean, msMax = 20_000): void {
    const until = this.scheduler.now + msMax;
    while (!holds()) assert.ok(this.scheduler.step(until), `not within ${msMax} ms`);
  }

  /** Writes a kibibyte under a key, in a block of its own when nothing else is asked at the time. */
  put(node: SimulatedNode, key: string, timeoutMs = 1000): Told {
    const told: Told = { key, error: undefined, revision: undefined, afterMs: undefined };
    const { parts, life } = node;
    if (parts === undefined) return told;
    this.#writeCount += 1;
    const id = requestId(`w${this.#writeCount}`);
    const askedAt = this.scheduler.now;
    const value = new Uint8Array(1024).fill(this.#writeCount);
    node.run(life, () => {
      parts.node.execute(
        { id, commands: [{ kind: "put", key: Buffer.from(key), value, condition: "none" }] },
        timeoutMs,
        (error, result) => {
          told.error = error;
          told.revision = result?.revision;
          told.afterMs = this.scheduler.now - askedAt;
        },
      );
    });
    return told;
  }

  /** A linearizable read: whether the key is there; undefined when there is no answer within a second. */
  has(node: SimulatedNode, key: string): boolean | undefined {
    const { parts, life } = node;
    assert.ok(parts !== undefined);
    const answers: boolean[] = [];
    node.run(life, () => {
      parts.node.read(900, (error, store) => {
        if (error === undefined) answers.push(store?.get(Buffer.from(key)) !== undefined);
      });
    });
    this.run(1000);
    return answers[0];
  }

  /** Writes through `node` until one is not answered at once. @returns the one that waits */
  fill(node: SimulatedNode): Told {
    for (let count = 1; count < 500; count += 1) {
      const told = this.put(node, `fill ${count}`, 60_000);
      this.run(50);
      if (told.afterMs === undefined) return told;
      assert.equal(told.error, undefined);
    }
    throw new Error("the disk does not fill");
  }

  /** No disk may grow by more than `size` bytes. */
  limit(nodes: readonly SimulatedNode[], size: number): void {
    for (const { fileSystem } of nodes) fileSystem.limit(fileSystem.usedSize + size);
  }

  unlimit(nodes: readonly SimulatedNode[] = this.nodes): void {
    for (const { fileSystem } of nodes) fileSystem.limit(Infinity);
  }

  /** All nodes have flushed and applied the same. */
  rest(): void {
    const state = (node: SimulatedNode): string => {
      const { raft, store } = node.parts ?? {};
      return `${raft?.lastIndex} ${raft?.flushedIndex} ${raft?.appliedIndex} ${store?.stateHash()}`;
    };
    this.until(() => {
      const { raft } = this.nodes[0]?.parts ?? {};
      return raft?.lastIndex === raft?.flushedIndex && new Set(this.nodes.map(state)).size === 1;
    });
  }
}
