/**
 * One node of the simulated world: the real driver, core, storage and store, on a
 * simulated disk, network and clock. It can be killed, started again and paused.
 */
import { assert } from "../assert.js";
import { assembleNode, type AssembledNode } from "../node/assembly.js";
import type { NodeId } from "../raft/types.js";
import { parseSegmentName } from "../storage/segment.js";
import { WITNESS_PAGE_SIZE } from "../storage/witness.js";
import { MemoryFileSystem } from "./memory-file-system.js";
import type { SimulatedNetwork } from "./network.js";
import type { Transport } from "../transport/transport.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import { SimulatedClock } from "./simulated-clock.js";

export interface DiskFaults {
  /** milliseconds that a flush beside the loop takes, drawn from [min, max] */
  flushMs: readonly [min: number, max: number];
  /** whether nodes wait for their disks on the event loop, where a flush takes no simulated time */
  readonly flushesOnLoop: boolean;
}

export interface SimulatedNodeOptions {
  readonly id: NodeId;
  /** the founders */
  readonly ids: readonly NodeId[];
  readonly clusterId: string;
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly random: (stream: string) => RandomStream;
  readonly segmentSizeBytes: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaseReads: boolean;
  /** commands between two snapshots */
  readonly snapshotEntries: number;
  readonly disk: DiskFaults;
  readonly trace: (line: string) => void;
  /** after anything that this node did */
  readonly onStep: (node: SimulatedNode) => void;
  readonly onFailure: (node: SimulatedNode, error: Error) => void;
  /** told every byte that a door of this node writes to a client */
  readonly onAnswer?: (bytes: Uint8Array) => void;
}

const DATA_DIRECTORY = "/data";

export class SimulatedNode {
  readonly id: NodeId;
  #fileSystem = new MemoryFileSystem();
  readonly disk: DiskFaults;
  readonly #options: SimulatedNodeOptions;
  readonly #diskRandom: RandomStream;
  readonly #crashRandom: RandomStream;
  readonly #clockRandom: RandomStream;
  readonly #incarnationRandom: RandomStream;
  #incarnationId: string;
  #assembled: AssembledNode | undefined;
  /** counts lives; tasks of an earlier life are dropped */
  #life = 0;
  /** how often it was paused, in all its lives */
  #pauseCount = 0;
  #paused: { readonly run: () => void; readonly isTick: boolean }[] | undefined;
  #pumpScheduled = 0;

  constructor(options: SimulatedNodeOptions) {
    this.id = options.id;
    const { flushMs, flushesOnLoop } = options.disk;
    this.disk = { flushMs, flushesOnLoop };
    this.#options = options;
    this.#incarnationRandom = options.random(`incarnation ${options.id}`);
    this.#incarnationId = incarnationOf(this.#incarnationRandom);
    this.#diskRandom = options.random(`disk ${options.id}`);
    this.#crashRandom = options.random(`crash ${options.id}`);
    this.#clockRandom = options.random(`clock ${options.id}`);
    this.#fileSystem.makeDirectory(DATA_DIRECTORY);
  }

  /**
   * A segment of the log that the power might take, or what stands in it up to entry
   * `flushedIndex`: by the disk's own book. The log must end there.
   */
  mayLoseLog(flushedIndex: number): string | undefined {
    return this.#fileSystem.mayLose(`${DATA_DIRECTORY}/log`, (name, size) => {
      const segment = parseSegmentName(name);
      if (segment === undefined || segment.firstIndex > flushedIndex) return 0;
      // The last page is a witness, which rests on the flush and not the other way round, until the file is cut to its log.
      return size % WITNESS_PAGE_SIZE === 0 ? size - WITNESS_PAGE_SIZE : size;
    });
  }

  get fileSystem(): MemoryFileSystem {
    return this.#fileSystem;
  }

  get incarnationId(): string {
    return this.#incarnationId;
  }

  /** The disk of a dead node is replaced by an empty one. */
  wipe(): void {
    assert(this.#assembled === undefined, "only a dead node's disk is replaced");
    this.#fileSystem = new MemoryFileSystem();
    this.#fileSystem.makeDirectory(DATA_DIRECTORY);
    this.#incarnationId = incarnationOf(this.#incarnationRandom);
    this.#pumpScheduled = 0;
  }

  /** undefined while dead */
  get parts(): AssembledNode | undefined {
    return this.#assembled;
  }

  get isUp(): boolean {
    return this.#assembled !== undefined;
  }

  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  get pauseCount(): number {
    return this.#pauseCount;
  }

  get life(): number {
    return this.#life;
  }

  /** @throws {DatabaseError} when the disk has no room for what a start writes; then it is dead as before */
  start(): void {
    assert(this.#assembled === undefined, "a node lives once at a time");
    this.#life += 1;
    const transport = this.#options.network.transportOf(this.id, this.#incarnationId);
    try {
      this.#assembled = this.#assemble(transport);
    } catch (error) {
      this.#life += 1;
      this.#options.network.detach(this.id);
      this.#fileSystem.kill();
      throw error;
    }
    transport.attach(this.#assembled.node);
    this.#assembled.start();
    this.#afterStep();
  }

  #assemble(transport: Transport): AssembledNode {
    const { id, ids, clusterId, scheduler, trace, random } = this.#options;
    const life = this.#life;
    const clock = new SimulatedClock({
      scheduler,
      run: (task, isTick) => {
        this.run(life, task, isTick);
      },
      // Real clocks drift by some hundred parts in a million; these by up to five per cent.
      rate: 0.95 + this.#clockRandom.next() * 0.1,
      wallOffset: this.#clockRandom.integer(-100_000, 100_000),
    });
    const electionRandom = random(`election ${id} ${life}`);
    let requests = 0;
    return assembleNode(
      {
        id,
        peerAddress: id,
        clientAddress: id,
        cluster: new Map(
          [...ids, ...(ids.includes(id) ? [] : [id])].map((member) => [member, member]),
        ),
        // Not among the founders: it joins.
        ...(ids.includes(id) ? {} : { join: { clusterId } }),
        leaseReads: this.#options.leaseReads,
        snapshotEntries: this.#options.snapshotEntries,
        dataDirectory: DATA_DIRECTORY,
        segmentSizeBytes: this.#options.segmentSizeBytes,
        electionTimeoutMs: this.#options.electionTimeoutMs,
        heartbeatMs: this.#options.heartbeatMs,
        log: (line) => {
          trace(`${id}: ${line}`);
        },
      },
      { clusterId, nodeId: id, incarnationId: this.#incarnationId, formatVersion: 1 },
      {
        fileSystem: this.fileSystem,
        clock,
        transport,
        flushesOnLoop: this.disk.flushesOnLoop,
        random: () => electionRandom.next(),
        newRequestId: () => {
          requests += 1;
          return requestId(`${id}/${life}/${requests}`);
        },
      },
      (error) => {
        this.#options.onFailure(this, error);
      },
    );
  }

  /** kill -9, or the power: what was not flushed is the disk's to keep or to lose. */
  crash(kind: "kill" | "power"): void {
    if (this.#assembled === undefined) return;
    this.#life += 1;
    this.#assembled = undefined;
    this.#paused = undefined;
    this.#options.network.detach(this.id);
    if (kind === "power") this.fileSystem.crash(() => this.#crashRandom.next());
    else this.fileSystem.kill();
  }

  /** SIGSTOP: nothing of it runs until `resume`; what comes in meanwhile waits. */
  pause(): void {
    if (this.#assembled === undefined || this.#paused !== undefined) return;
    this.#pauseCount += 1;
    this.#paused = [];
  }

  resume(): void {
    const tasks = this.#paused ?? [];
    this.#paused = undefined;
    // As the system's clock has it: sockets have their turn before the timer (node/clock.ts).
    for (const { run, isTick } of tasks) if (!isTick) run();
    for (const { run, isTick } of tasks) if (isTick) run();
  }

  /** A door of this node writes to a client. */
  answers(bytes: Uint8Array): void {
    this.#options.onAnswer?.(bytes);
  }

  /** Runs a task of a life of this node, if that life still lasts. */
  run(life: number, task: () => void, isTick = false): void {
    if (life !== this.#life || this.#assembled === undefined) return;
    if (this.#paused !== undefined) {
      const run = (): void => {
        this.run(life, task, isTick);
      };
      this.#paused.push({ run, isTick });
      return;
    }
    task();
    this.#afterStep();
  }

  /** Flushes that were started finish after the disk's time; then everybody looks. */
  #afterStep(): void {
    const life = this.#life;
    const disk = this.#fileSystem;
    while (this.#pumpScheduled < disk.deferredCount) {
      this.#pumpScheduled += 1;
      const [min, max] = this.disk.flushMs;
      this.#options.scheduler.after(min + this.#diskRandom.next() * (max - min), () => {
        if (disk !== this.#fileSystem) return;
        this.#pumpScheduled -= 1;
        this.run(life, () => {
          disk.pump(1);
        });
      });
    }
    this.#options.onStep(this);
  }
}

/** 32 hex digits. */
function incarnationOf(random: RandomStream): string {
  return Array.from({ length: 32 }, () => random.integer(0, 15).toString(16)).join("");
}

/** Sixteen bytes of a short text. */
export function requestId(text: string): Uint8Array {
  const id = new Uint8Array(16);
  for (let i = 0; i < Math.min(16, text.length); i += 1) id[i] = text.charCodeAt(i);
  return id;
}
