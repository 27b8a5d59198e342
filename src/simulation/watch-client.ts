/**
 * A client that watches keys, through one node after another: it asks for changes,
 * waits at the node until there are some, and goes on where it was. What it was told
 * must be what was committed: every change once, in order, whatever became of nodes
 * and connections in between.
 */
import {
  CLIENT_PREAMBLE,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientResponse,
} from "../codec/client-message.js";
import { encodeClientRequestFrame } from "../codec/client-request.js";
import { decodeClientResponse } from "../codec/client-response.js";
import type { Query } from "../codec/client-query.js";
import { FrameReader } from "../codec/frame.js";
import { nativeSession } from "../doors/native/native-door.js";
import type { KeyValue } from "../store/command.js";
import type { Change } from "../store/read.js";
import { bytesOf, type ScriptWorld, textOf } from "./client-script.js";
import { ClientSocket } from "./client-socket.js";
import type { CommittedChange } from "./committed-log.js";
import type { SimulatedNode } from "./simulated-node.js";

/** Milliseconds that a node may take beyond what it was asked to wait. */
const TIMEOUT_MS = 1000;
const PATIENCE_MS = 1500;
/** Milliseconds between two questions of which the first failed. */
const REST_MS = 20;
/** After so many answers a client changes to another node. */
const LEAVE_PROBABILITY = 0.05;
const PAGE_SIZE_MAX = 4096;

type ChangesQuery = Extract<Query, { kind: "changes" }>;

export class WatchClient {
  readonly #world: ScriptWorld;
  /** of the keys watched; empty: all */
  readonly #prefix: string;
  readonly #previous: boolean;
  readonly #told: Change[] = [];
  /** everything before this revision was told */
  #since = 2;
  #nodes: readonly SimulatedNode[];
  #socket: ClientSocket | undefined;
  /** of the question that is not answered yet */
  #asked = 0;
  #stopped = false;

  constructor(world: ScriptWorld) {
    this.#world = world;
    this.#nodes = world.nodes;
    this.#prefix = world.random.pick(["", "", "k", "l", "x"]);
    this.#previous = world.random.chance(0.5);
  }

  /** How many changes it was told. */
  get toldCount(): number {
    return this.#told.length;
  }

  /** Whether it was told everything up to `revision`. */
  hasReached(revision: number): boolean {
    return this.#since > revision;
  }

  start(): void {
    this.#askLater(this.#world.random.next() * this.#world.thinkMsMax);
  }

  /** From now on it asks these nodes only. */
  settle(nodes: readonly SimulatedNode[]): void {
    this.#nodes = nodes;
    this.#drop();
  }

  stop(): void {
    this.#stopped = true;
    this.#drop();
  }

  #askLater(delayMs: number): void {
    this.#world.scheduler.after(delayMs, () => {
      if (!this.#stopped) this.#ask();
    });
  }

  #ask(): void {
    const { scheduler, random } = this.#world;
    const waitMs = random.pick([0, 40, 400]);
    const query: ChangesQuery = {
      kind: "changes",
      since: this.#since,
      previous: this.#previous,
      waitMs,
      ...{ from: bytesOf(this.#prefix), end: endOf(this.#prefix) },
      ...{ countMax: random.pick([1, 5, 100]), sizeMax: PAGE_SIZE_MAX },
    };
    this.#asked += 1;
    const id = this.#asked;
    if (
      !this.#connect(() =>
        encodeClientRequestFrame({ kind: "query", id, timeoutMs: TIMEOUT_MS, query }),
      )
    ) {
      this.#askLater(REST_MS);
      return;
    }
    scheduler.after(waitMs + PATIENCE_MS, () => {
      if (id !== this.#asked || this.#stopped) return;
      this.#drop();
      this.#ask();
    });
  }

  /** Sends on the connection there is, or on a new one. @returns whether there is one */
  #connect(frame: () => Buffer): boolean {
    const { random, scheduler } = this.#world;
    if (this.#socket?.isOpen === true) {
      this.#socket.send(frame());
      return true;
    }
    this.#drop();
    const node = random.pick(this.#nodes);
    if (!node.isUp || (node.isPaused && !random.chance(0.3))) return false;
    const frames = new FrameReader({
      bodySizeMax: CLIENT_RESPONSE_SIZE_MAX,
      onFrame: (body) => {
        this.#onAnswer(decodeClientResponse(body));
      },
    });
    this.#socket = new ClientSocket({
      scheduler,
      random,
      node,
      accept: ({ node: service }, sink) => nativeSession(service, sink),
      onBytes: (chunk) => {
        frames.push(chunk);
      },
      onEnd: () => {
        this.#drop();
      },
    });
    this.#socket.send(Buffer.concat([CLIENT_PREAMBLE, frame()]));
    return true;
  }

  #onAnswer(answer: ClientResponse): void {
    if (answer.id !== this.#asked || this.#stopped) return;
    this.#asked += 1;
    if (answer.kind === "failed") {
      if (answer.code.startsWith("REVISION_"))
        throw new Error(
          `watch: what was asked for from ${this.#since} on is refused: ${answer.message}`,
        );
      this.#drop();
      this.#askLater(REST_MS);
      return;
    }
    if (answer.kind !== "found" || answer.found.kind !== "changes")
      throw new Error(`watch: a question for changes was answered with ${answer.kind}`);
    const { changes, nextRevision } = answer.found;
    const revisions = [this.#since, ...changes.map(({ revision }) => revision), nextRevision];
    if (
      revisions.some((revision, at) => revision < (revisions[at - 1] ?? 0)) ||
      changes.at(-1)?.revision === nextRevision
    )
      throw new Error(`watch: told of the revisions ${revisions.join(", ")}`);
    this.#told.push(...changes);
    this.#since = nextRevision;
    const { random, thinkMsMax } = this.#world;
    if (random.chance(LEAVE_PROBABILITY)) this.#drop();
    this.#askLater(random.chance(0.5) ? 0 : random.next() * thinkMsMax);
  }

  #drop(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** @throws {Error} when something was not told, told twice, or told otherwise */
  check(committed: readonly CommittedChange[]): void {
    const wanted = committed.filter(
      ({ key, revision }) => key.startsWith(this.#prefix) && revision < this.#since,
    );
    const told = this.#told.toSorted(
      (a, b) => a.revision - b.revision || Buffer.compare(a.key, b.key),
    );
    for (let at = 0; at < Math.max(wanted.length, told.length); at += 1) {
      const [want, got] = [wanted[at], told[at]];
      if (want !== undefined && got !== undefined && this.#isSame(want, got)) continue;
      throw new Error(
        `watch: of the changes of "${this.#prefix}" number ${at + 1} of ${wanted.length} was ` +
          `${want === undefined ? "none" : lineOf(want)}, and was told as ${got === undefined ? "none" : lineOf({ ...got, key: textOf(got.key) })}`,
      );
    }
  }

  #isSame(want: CommittedChange, got: Change): boolean {
    return (
      want.revision === got.revision &&
      want.key === textOf(got.key) &&
      (got.kind === "delete") === (want.current === undefined) &&
      areEqual(want.current, got.current) &&
      areEqual(this.#previous ? want.previous : undefined, got.previous)
    );
  }
}

function areEqual(a: KeyValue | undefined, b: KeyValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.createRevision === b.createRevision &&
    a.modRevision === b.modRevision &&
    a.version === b.version &&
    a.lease === b.lease &&
    Buffer.compare(a.value, b.value) === 0
  );
}

function lineOf({
  revision,
  key,
  current,
}: Pick<CommittedChange, "revision" | "key" | "current">): string {
  const what = current === undefined ? "deleted" : `version ${current.version}`;
  return `${key} ${what} at ${revision}`;
}

/** The first key behind those that begin with `prefix`; nothing behind all. */
function endOf(prefix: string): Uint8Array {
  return bytesOf(prefix === "" ? "" : String.fromCharCode(prefix.charCodeAt(0) + 1));
}
