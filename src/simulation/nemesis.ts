/**
 * The nemesis: what goes wrong in a simulated world, and when.
 *
 * Each deed has a name (d1, d2, …; e1, e2, … for those that follow an election) and
 * chance of its own, drawn from the seed and that name: a deed that is left out
 * changes nothing in what the others draw. That is how a failing life is shrunk.
 */
import { DatabaseError } from "../errors.js";
import type { AdminAction } from "../node/service.js";
import { LogIndex, type NodeId } from "../raft/types.js";
import type { Operation } from "./memory-file-system.js";
import type { NetworkFaults, SimulatedNetwork } from "./network.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import type { SimulatedNode } from "./simulated-node.js";

/** What a seed turns on: each fault is absent in half of all lives, so that none hides another (swarm testing). */
export interface Faults {
  readonly network: NetworkFaults;
  readonly flushMs: readonly [number, number];
  readonly crash: boolean;
  readonly power: boolean;
  readonly pause: boolean;
  readonly partition: boolean;
  readonly oneWay: boolean;
  readonly slowDisk: boolean;
  /** disks without room for a while */
  readonly fullDisk: boolean;
  /** members are added, promoted and removed, leadership is handed over */
  readonly administration: boolean;
  readonly wipe: boolean;
  /** milliseconds between two deeds at most */
  readonly intervalMs: number;
  /** nodes crash while they elect, when votes and first entries are on their way to the disk */
  readonly electionCrash: boolean;
}

/** What lives can be told to have. */
export const EMPHASES = [
  "crash",
  "power",
  "pause",
  "partition",
  "oneWay",
  "slowDisk",
  "fullDisk",
  "administration",
  "wipe",
  "electionCrash",
  "loss",
  /** many deeds in a short time */
  "dense",
  /** reads under leases */
  "leases",
  /** snapshots after every few commands */
  "snapshots",
  /** one key that everybody uses */
  "contention",
  /** clients that hardly pause */
  "busy",
  /** clients that speak RESP */
  "resp",
  /** clients that watch */
  "watches",
  /** keys that end by themselves */
  "expiry",
  /** transactions that look at all lists, one after another, and write nothing */
  "lookers",
] as const;
/** What a life can be told to have, beside what its seed says: to hunt for something in particular. */
export type Emphasis = (typeof EMPHASES)[number];

/** What the nemesis may do next. */
type Deed =
  | "heal"
  | "crash"
  | "restart"
  | "blackout"
  | "pause"
  | "partition"
  | "cut"
  | "bridge"
  | "slow-disk"
  | "fill-disk"
  | "administer"
  | "wipe";

/** Calls that may need room. */
const GROWING: ReadonlySet<string> = new Set(["write", "writeLater", "rename"]);

/** The hard state is written over itself. */
export function mayNeedRoom({ kind, path }: Operation): boolean {
  return GROWING.has(kind) && !path.includes("hard-state");
}

/** What the nemesis acts upon. */
export interface NemesisWorld {
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly nodes: readonly SimulatedNode[];
  /** a stream of chance by name */
  readonly random: (name: string) => RandomStream;
  /** a line of the trace */
  readonly note: (line: string) => void;
  readonly onWiped: (id: NodeId) => void;
}

export class Nemesis {
  readonly #world: NemesisWorld;
  readonly #faults: Faults;
  readonly #leftOut: ReadonlySet<string>;
  readonly #done: string[] = [];
  /** whose disks have no room */
  readonly #full = new Set<SimulatedNode>();
  #isFaulty = true;
  #wiped = false;
  #deedCount = 0;
  #electionCount = 0;

  /** @param leftOut deeds that are not done */
  constructor(world: NemesisWorld, faults: Faults, leftOut: readonly string[]) {
    this.#world = world;
    this.#faults = faults;
    this.#leftOut = new Set(leftOut);
  }

  /** The names of the deeds that were done, in order. */
  get done(): readonly string[] {
    return this.#done;
  }

  /** Begins, and goes on until `stop`. */
  start(): void {
    this.#deedCount += 1;
    const name = `d${this.#deedCount}`;
    const wait = this.#world.random(`wait ${name}`).next() * this.#faults.intervalMs;
    this.#world.scheduler.after(wait, () => {
      if (!this.#isFaulty) return;
      const random = this.#deed(name);
      if (random !== undefined) this.#doAny(random);
      this.start();
    });
  }

  /** Nothing goes wrong any more; what is dead, asleep or cut off stays so. */
  stop(): void {
    this.#isFaulty = false;
    for (const node of [...this.#full]) this.#makeRoom(node);
  }

  /** Chance of a deed; undefined when it is left out. */
  #deed(name: string): RandomStream | undefined {
    if (this.#leftOut.has(name)) return undefined;
    this.#done.push(name);
    return this.#world.random(`deed ${name}`);
  }

  #doAny(random: RandomStream): void {
    const { crash, power, pause, partition, oneWay, administration, wipe } = this.#faults;
    const deeds: Deed[] = ["heal"];
    if (crash || power) deeds.push("crash", "restart");
    if (power) deeds.push("blackout");
    if (pause) deeds.push("pause");
    if (partition) deeds.push("partition");
    if (oneWay) deeds.push("cut", "bridge");
    if (administration) deeds.push("administer", "administer");
    if (wipe) deeds.push("wipe");
    if (this.#faults.slowDisk) deeds.push("slow-disk");
    if (this.#faults.fullDisk) deeds.push("fill-disk");
    this.#do(random.pick(deeds), random);
  }

  #do(deed: Deed, random: RandomStream): void {
    switch (deed) {
      case "heal":
        this.#world.note("network heals");
        this.#world.network.heal();
        return;
      case "crash":
        this.#crashOne(random);
        return;
      case "restart":
        this.#restartOne(random);
        return;
      case "blackout":
        this.#blackout(random);
        return;
      case "pause":
        this.#pauseOne(random);
        return;
      case "partition":
        this.#partition(random);
        return;
      case "cut":
        this.#cutOneWay(random);
        return;
      case "bridge":
        this.#bridge(random);
        return;
      case "slow-disk":
        this.#slowOneDisk(random);
        return;
      case "fill-disk":
        this.#fillOneDisk(random);
        return;
      case "administer":
        this.#administer(random);
        return;
      case "wipe":
        this.#wipeOne(random);
        return;
    }
  }

  #crashOne(random: RandomStream): void {
    const node = random.pick(this.#world.nodes);
    const kind = this.#faults.power && random.chance(0.5) ? "power" : "kill";
    if (!node.isUp) return;
    this.#world.note(`${node.id} crashes (${kind})`);
    node.crash(kind);
    this.#restartLater(node, random);
  }

  /** The power of the whole house fails. */
  #blackout(random: RandomStream): void {
    if (!random.chance(0.3)) return;
    this.#world.note("blackout");
    for (const node of this.#world.nodes) {
      node.crash("power");
      this.#restartLater(node, random);
    }
  }

  /** Soon after somebody campaigned or won, it or another one crashes, and is soon back. */
  onElection(id: NodeId): void {
    this.#electionCount += 1;
    const random = this.#deed(`e${this.#electionCount}`);
    if (!this.#isFaulty || !this.#faults.electionCrash || random?.chance(0.2) !== true) return;
    const own = this.#world.nodes.find((node) => node.id === id);
    const node = own !== undefined && random.chance(0.5) ? own : random.pick(this.#world.nodes);
    const kind = random.chance(0.7) ? "power" : "kill";
    this.#world.scheduler.after(random.next() * 30, () => {
      if (!node.isUp || !this.#isFaulty) return;
      this.#world.note(`${node.id} crashes amid an election (${kind})`);
      node.crash(kind);
      const { life } = node;
      this.#world.scheduler.after(1 + random.next() * 100, () => {
        if (!this.#isFaulty || node.life !== life || node.isUp) return;
        this.#restart(node);
      });
    });
  }

  #restartLater(node: SimulatedNode, random: RandomStream): void {
    const { life } = node;
    this.#world.scheduler.after(50 + random.next() * 1500, () => {
      if (!this.#isFaulty || node.life !== life || node.isUp) return;
      this.#restart(node);
    });
  }

  #restart(node: SimulatedNode): void {
    this.#world.note(`${node.id} restarts`);
    try {
      node.start();
    } catch (error) {
      if (!this.#full.has(node) || !(error instanceof DatabaseError)) throw error;
      this.#world.note(`${node.id} cannot: ${error.message}`);
    }
  }

  #restartOne(random: RandomStream): void {
    const dead = this.#world.nodes.filter((node) => !node.isUp);
    if (dead.length === 0) return;
    const node = random.pick(dead);
    this.#restart(node);
  }

  #pauseOne(random: RandomStream): void {
    const node = random.pick(this.#world.nodes);
    if (!node.isUp || node.isPaused) return;
    this.#world.note(`${node.id} pauses`);
    node.pause();
    const { life } = node;
    this.#world.scheduler.after(random.next() * 1500, () => {
      if (!this.#isFaulty || node.life !== life || !node.isPaused) return;
      this.#world.note(`${node.id} resumes`);
      node.resume();
    });
  }

  #partition(random: RandomStream): void {
    const side = new Set(this.#world.nodes.filter(() => random.chance(0.5)));
    this.#world.note(`partition ${[...side].map(({ id }) => id).join(" ")} | rest`);
    for (const a of this.#world.nodes) {
      for (const b of this.#world.nodes)
        if (side.has(a) !== side.has(b)) this.#world.network.cut(a.id, b.id);
    }
  }

  #cutOneWay(random: RandomStream): void {
    const from = random.pick(this.#world.nodes);
    const to = random.pick(this.#world.nodes);
    if (from === to) return;
    this.#world.note(`cut ${from.id} > ${to.id}`);
    this.#world.network.cut(from.id, to.id);
  }

  /** Two halves that only one node can speak with. */
  #bridge(random: RandomStream): void {
    const bridge = random.pick(this.#world.nodes);
    const left = new Set(this.#world.nodes.filter(() => random.chance(0.5)));
    this.#world.note(
      `bridge ${bridge.id} between ${[...left].map(({ id }) => id).join(" ")} and rest`,
    );
    for (const a of this.#world.nodes) {
      for (const b of this.#world.nodes) {
        if (a === bridge || b === bridge || left.has(a) === left.has(b)) continue;
        this.#world.network.cut(a.id, b.id);
      }
    }
  }

  /** Somebody asks some node to change the members or the leader. */
  #administer(random: RandomStream): void {
    const asked = random.pick(this.#world.nodes);
    const { id } = random.pick(this.#world.nodes);
    const kind = random.pick(["add", "promote", "promote", "remove", "transfer"] as const);
    const action: AdminAction =
      kind === "add"
        ? { kind, id, address: id }
        : kind === "transfer"
          ? { kind, id }
          : { kind, id };
    if (asked.parts === undefined || asked.isPaused) return;
    this.#world.note(`${asked.id} is asked to ${kind} ${id}`);
    asked.parts.node.administer(action, 1000, (error) => {
      this.#world.note(`${asked.id}: ${kind} ${id}: ${error?.code ?? "done"}`);
    });
  }

  /**
   * A dead node's disk is replaced. Only what a cluster must survive: once, and
   * when every voter has the log entry that tells its incarnations apart on its disk.
   */
  #wipeOne(random: RandomStream): void {
    const node = random.pick(this.#world.nodes);
    if (this.#wiped || node.parts === undefined) return;
    const isRecorded = (): boolean =>
      this.#world.nodes.every(({ parts }) => {
        if (parts === undefined) return false;
        const { configuration } = parts.raft;
        // Of two voters, one without its memory leaves no majority.
        if (configuration.voters.length < 3) return false;
        const record = configuration.records?.find(({ id }) => id === node.id);
        const { commitIndex, flushedIndex } = parts.raft;
        const known = LogIndex(Math.min(commitIndex, flushedIndex));
        const version = parts.raft.configurationAt(known);
        return (
          record?.incarnation === node.incarnationId && version.configuration === configuration
        );
      });
    if (!isRecorded()) return;
    this.#wiped = true;
    this.#world.note(`${node.id} loses its disk`);
    node.crash("kill");
    node.wipe();
    this.#world.onWiped(node.id);
    this.#restartLater(node, random);
  }

  /** A disk takes no more than a little, or refuses every few writes, for a while. */
  #fillOneDisk(random: RandomStream): void {
    const node = random.pick(this.#world.nodes);
    if (this.#full.has(node)) return;
    this.#full.add(node);
    const { fileSystem } = node;
    const left = random.integer(0, 8192);
    if (random.chance(0.7)) {
      this.#world.note(`${node.id} has ${left} bytes left on its disk`);
      fileSystem.limit(fileSystem.usedSize + left);
    } else {
      this.#world.note(`${node.id} has a disk that is full now and then`);
      fileSystem.fail((call) => (mayNeedRoom(call) && random.chance(0.3) ? "ENOSPC" : undefined));
    }
    this.#world.scheduler.after(100 + random.next() * 2000, () => {
      if (this.#isFaulty) this.#makeRoom(node);
    });
  }

  #makeRoom(node: SimulatedNode): void {
    if (!this.#full.delete(node)) return;
    this.#world.note(`${node.id} has room on its disk`);
    node.fileSystem.limit(Infinity);
    node.fileSystem.fail(undefined);
    if (!node.isUp) this.#restart(node);
  }

  #slowOneDisk(random: RandomStream): void {
    const node = random.pick(this.#world.nodes);
    const slow = random.chance(0.5);
    node.disk.flushMs = slow ? [20, 300] : this.#faults.flushMs;
    this.#world.note(`${node.id} disk ${slow ? "slow" : "normal"}`);
  }
}

/** Nodes beside the founders that may be added. */
export const SPARE_COUNT = 2;

/** @param emphasis what is on, whatever the seed says */
export function drawFaults(random: RandomStream, emphasis: readonly Emphasis[]): Faults {
  const on = (name?: Emphasis): boolean =>
    random.chance(0.5) || (name !== undefined && emphasis.includes(name));
  return {
    network: {
      delayMs: random.pick([
        [0.05, 0.5],
        [0.1, 5],
        [1, 40],
      ]),
      dropProbability: on("loss") ? random.next() * 0.15 : 0,
      duplicateProbability: on() ? random.next() * 0.2 : 0,
      stragglerProbability: on("loss") ? random.next() * 0.02 : 0,
    },
    flushMs: random.pick([
      [0.05, 0.3],
      [0.5, 10],
    ]),
    crash: on("crash"),
    power: on("power"),
    pause: on("pause"),
    partition: on("partition"),
    oneWay: on("oneWay"),
    slowDisk: on("slowDisk"),
    fullDisk: on("fullDisk"),
    administration: on("administration"),
    wipe: on("wipe"),
    intervalMs: emphasis.includes("dense") ? 80 : random.pick([600, 300, 100]),
    electionCrash: on("electionCrash"),
  };
}
