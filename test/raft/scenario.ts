/**
 * Scenarios: a cluster driven by a script, whose trace is the assertion.
 *
 *   file    := block (blank line block)*
 *   block   := (comment | command)* "----" expected*
 *
 * Time stands still unless a script ticks; messages and flushes wait until a
 * script lets them go. Each block prints what happened and where all stand.
 * Commands are in the table below. Every run is also under the observer's eyes.
 */
import { Cluster, TICK_MS } from "./cluster.js";
import { describeMessage } from "./describe.js";
import { voters } from "./seal.js";
import { NodeId } from "../../src/raft/types.js";
import type { Packet, SimulatedNode } from "./cluster.js";
import type { MembershipChange, Ready } from "../../src/raft/ready.js";

/** Makes every election timeout 19 ticks, while stickiness ends after 10. */
const CHANCE = 0.9;
const TURNS_MAX = 1000;

export interface Block {
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

function parseScenario(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let commands: string[] = [];
  let expected: string[] | undefined;
  for (const line of [...text.trimEnd().split("\n"), ""]) {
    if (expected === undefined) {
      if (line === "----") expected = [];
      else commands.push(line);
      continue;
    }
    if (line !== "") {
      expected.push(line);
      continue;
    }
    blocks.push({ commands, expected });
    commands = [];
    expected = undefined;
  }
  if (commands.some((line) => line !== "")) throw new SyntaxError("a block ends with ----");
  return blocks;
}

function formatScenario(blocks: readonly Block[]): string {
  return blocks
    .map(({ commands, expected }) => [...commands, "----", ...expected].join("\n") + "\n")
    .join("\n");
}

type Command = (scenario: Scenario, args: readonly string[]) => void;

const COMMANDS: Readonly<Record<string, Command>> = {
  /** cluster 3 [learners 1] [incarnations] [appendSizeMax=1 …] */
  cluster: (scenario, args) => {
    scenario.create(args);
  },
  /** tick 1 [19] */
  tick: (scenario, [id, count = "1"]) => {
    for (let i = 0; i < Number(count); i += 1) scenario.cluster.tick(scenario.node(id));
  },
  /** campaign 1: ticks it until it asks for pre-votes */
  campaign: (scenario, [id]) => {
    const node = scenario.node(id);
    for (let i = 0; i < 20; i += 1) {
      scenario.cluster.tick(node);
      if (node.raft?.status().role !== "follower") return;
    }
    throw new Error("it never campaigns");
  },
  /** deliver 1 2 [kind]: all that waits on that way */
  deliver: (scenario, args) => {
    for (const packet of scenario.take(args)) scenario.cluster.deliver(packet);
  },
  drop: (scenario, args) => {
    scenario.take(args);
  },
  /** copy 1 2 [kind]: the network will deliver it once more, when told `late` */
  copy: (scenario, args) => {
    scenario.late.push(...scenario.waiting(args));
  },
  /** hold 1 2 [kind]: what waits on that way arrives only when told `late` */
  hold: (scenario, args) => {
    scenario.late.push(...scenario.take(args));
  },
  late: (scenario) => {
    for (const packet of scenario.late.splice(0)) scenario.cluster.deliver(packet);
  },
  /** cut 1 2 (both ways), cut 1>2 (one way) */
  cut: (scenario, args) => {
    const [first = "", second] = args;
    const [a = "", b = ""] = second === undefined ? first.split(">") : [first, second];
    scenario.cluster.cut(a, b);
    if (second !== undefined) scenario.cluster.cut(b, a);
  },
  /** partition 1 | 2 3 */
  partition: (scenario, args) => {
    const groups = args.join(" ").split("|");
    const groupOf = new Map<string, number>();
    groups.forEach((group, i) => {
      for (const id of group.trim().split(/\s+/)) groupOf.set(id, i);
    });
    for (const a of groupOf.keys()) {
      for (const b of groupOf.keys()) {
        if (groupOf.get(a) !== groupOf.get(b)) scenario.cluster.cut(a, b);
      }
    }
  },
  heal: (scenario) => {
    scenario.cluster.heal();
  },
  propose: (scenario, [id, payload = "x"]) => {
    const result = scenario.cluster.propose(scenario.node(id), payload);
    if (result.kind !== "accepted") scenario.print(`${String(id)} refuses: ${result.kind}`);
  },
  read: (scenario, [id]) => {
    scenario.cluster.read(scenario.node(id));
  },
  /** the disk keeps its writes waiting */
  stall: (scenario, [id]) => {
    scenario.node(id).disk.isStalled = true;
  },
  unstall: (scenario, [id]) => {
    scenario.node(id).disk.isStalled = false;
  },
  /** flush 1: one write, stalled or not */
  flush: (scenario, [id]) => {
    if (!scenario.cluster.flush(scenario.node(id))) throw new Error("nothing to flush");
  },
  /** crash 1 [steps of its oldest write that reached the disk] */
  crash: (scenario, [id, steps = "0"]) => {
    scenario.cluster.crash(scenario.node(id), Number(steps));
  },
  restart: (scenario, [id]) => {
    scenario.cluster.start(scenario.node(id));
  },
  unreachable: (scenario, [id, peer = ""]) => {
    scenario.cluster.peerUnreachable(scenario.node(id), NodeId(peer));
  },
  /** transfer 1 2: leader 1 hands over to 2 */
  transfer: (scenario, [from = "", to]) => {
    const target = to === undefined ? undefined : NodeId(to);
    const result = scenario.cluster.transfer(scenario.node(from), target);
    if (result.kind === "refused") scenario.print(`${from} refuses: ${result.reason}`);
  },
  /** add 1 4: leader 1 adds learner 4, whose machine is started first */
  add: (scenario, [id, member = ""]) => {
    scenario.cluster.join(NodeId(member));
    scenario.change(id, { kind: "add", id: NodeId(member), address: member });
  },
  promote: (scenario, [id, member = ""]) => {
    scenario.change(id, { kind: "promote", id: NodeId(member) });
  },
  remove: (scenario, [id, member = ""]) => {
    scenario.change(id, { kind: "remove", id: NodeId(member) });
  },
  /** the disk is gone, and an empty one in its place */
  wipe: (scenario, [id]) => {
    scenario.cluster.wipe(scenario.node(id));
  },
  /** pause 1 [20]: nothing of it ran for so many ticks, and its clock did */
  pause: (scenario, [id, count = "20"]) => {
    const node = scenario.node(id);
    scenario.cluster.tick(node, node.now + TICK_MS * Number(count), Number(count));
  },
  /** snapshot 1: of all that it has applied */
  snapshot: (scenario, [id]) => {
    const node = scenario.node(id);
    scenario.cluster.beginSnapshot(node);
    if (!scenario.cluster.finishSnapshot(node)) throw new Error("the log does not reach it");
  },
  /** compact 1 4: its log up to 4, for which a snapshot stands */
  compact: (scenario, [id, index]) => {
    scenario.cluster.compact(scenario.node(id), Number(index));
  },
  /** install 3: what it received whole */
  install: (scenario, [id]) => {
    if (!scenario.cluster.install(scenario.node(id))) throw new Error("nothing was received whole");
  },
  /** flushes and delivers until nothing moves */
  stabilize: (scenario) => {
    scenario.stabilize();
  },
  /** messages: what is on its way */
  messages: (scenario) => {
    for (const { to, message } of scenario.packets) {
      scenario.print(`${message.from} → ${to} ${describeMessage(message)}`);
    }
  },
  /** peers 1: the leader's table */
  peers: (scenario, [id]) => {
    for (const peer of scenario.node(id).raft?.status().peers ?? []) {
      const { state, matchIndex, nextIndex, alive, ticksSinceContact } = peer;
      const contact = alive ? "alive" : `silent for ${ticksSinceContact}`;
      scenario.print(
        `${String(id)} sees ${peer.id} ${state} match ${matchIndex} next ${nextIndex} ${contact}`,
      );
    }
  },
};

class Scenario {
  #cluster: Cluster | undefined;
  packets: Packet[] = [];
  readonly late: Packet[] = [];
  #output: string[] = [];

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error("a script starts with `cluster`");
    return this.#cluster;
  }

  /** @returns the trace of one block */
  run(block: Block): readonly string[] {
    this.#output = [];
    for (const line of block.commands) {
      const [name = "", ...args] = line.trim().split(/\s+/);
      if (name === "" || name.startsWith("#")) continue;
      const command = COMMANDS[name];
      if (command === undefined) throw new SyntaxError(`no command ${name}`);
      command(this, args);
    }
    for (const node of this.cluster.nodes) this.print(describeNode(node));
    return this.#output;
  }

  print(line: string): void {
    this.#output.push(line);
  }

  create(args: readonly string[]): void {
    const numbers = args.filter((arg) => /^\d+$/.test(arg)).map(Number);
    const [voterCount = 0, learnerCount = 0] = numbers;
    const all = voters(voterCount + learnerCount).voters;
    const raft: Record<string, number> = {};
    for (const arg of args) {
      const [key = "", value] = arg.split("=");
      if (value !== undefined) raft[key] = Number(value);
    }
    this.#cluster = new Cluster({
      configuration: { voters: all.slice(0, voterCount), learners: all.slice(voterCount) },
      random: () => CHANCE,
      hasIncarnations: args.includes("incarnations"),
      raft,
      send: (envelope) => {
        this.packets.push(envelope);
      },
      onReady: (id, ready) => {
        this.#trace(id, ready);
      },
    });
  }

  node(id: string | undefined): SimulatedNode {
    return this.cluster.node(id ?? "");
  }

  change(id: string | undefined, change: MembershipChange): void {
    const result = this.cluster.change(this.node(id), change);
    const reason = result.kind === "refused" ? result.reason : result.kind;
    if (result.kind !== "accepted") this.print(`${String(id)} refuses: ${reason}`);
  }

  waiting([from, to, kind]: readonly string[]): readonly Packet[] {
    return this.packets.filter(
      ({ to: receiver, message }) =>
        message.from === from && receiver === to && (kind ?? message.kind) === message.kind,
    );
  }

  take(args: readonly string[]): readonly Packet[] {
    const taken = new Set(this.waiting(args));
    this.packets = this.packets.filter((envelope) => !taken.has(envelope));
    return [...taken];
  }

  stabilize(): void {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      let hasMoved = false;
      for (const node of this.cluster.nodes) {
        while (!node.disk.isStalled && this.cluster.flush(node)) hasMoved = true;
      }
      for (const packet of this.packets.splice(0)) {
        this.cluster.deliver(packet);
        hasMoved = true;
      }
      if (!hasMoved) return;
    }
    throw new Error("the cluster never comes to rest");
  }

  #trace(id: NodeId, ready: Ready): void {
    for (const { role, term, reason } of ready.roleChanges) {
      this.print(`${id} becomes ${role} in term ${term}: ${reason}`);
    }
    if (ready.truncateFrom !== undefined) this.print(`${id} truncates from ${ready.truncateFrom}`);
    for (const { context, index } of ready.reads) this.print(`${id} reads #${context} at ${index}`);
    for (const context of ready.refusedReads) this.print(`${id} refuses read #${context}`);
  }
}

function describeNode(node: SimulatedNode): string {
  const status = node.raft?.status();
  if (status === undefined) return `${node.id} down`;
  const { role, term, lastIndex, flushedIndex, commitIndex } = status;
  const { base } = node.disk;
  const log = [
    ...(base.index === 0 ? [] : [`(${base.index}/${base.term})`]),
    ...node.disk.entries.map((entry) => `${entry.index}/${entry.term}`),
  ].join(" ");
  const flushed = flushedIndex === lastIndex ? "" : `  flushed ${flushedIndex}`;
  return `${node.id} ${role.padEnd(13)} term ${term}  commit ${commitIndex}${flushed}  log ${log}`.trimEnd();
}

/** Runs a file's text. @returns the same text with what really happened */
export function runScenario(text: string): string {
  const scenario = new Scenario();
  return formatScenario(
    parseScenario(text).map((block) => ({ ...block, expected: scenario.run(block) })),
  );
}
