/**
 * Is a history of transactions on lists strictly serializable? After Elle
 * (Kingsbury and Alvaro 2020): appended elements are unique, so that a list that
 * was read tells in which order its writers came, and who must stand before whom.
 *
 *   ww   one appended right behind what the other appended
 *   wr   one read what the other appended last
 *   rw   one read a list without what the other appended next
 *   time one had returned before the other was called
 *
 * If these go round in a circle, no order explains what was seen. Beside circles:
 * elements that nobody wrote, that were given up, that stand in a list twice, and
 * lists of which neither is the beginning of the other.
 */
import { assert } from "../assert.js";

export type ListOperation =
  | { readonly kind: "append"; readonly key: string; readonly element: string }
  | { readonly kind: "read"; readonly key: string; readonly elements: readonly string[] };

/** A transaction as its client saw it. */
export interface ListTransaction {
  readonly name: string;
  /** "unknown": it may have been committed at any later time, or never */
  readonly outcome: "committed" | "aborted" | "unknown";
  /** in their order; a read after an append of the same key has seen it */
  readonly operations: readonly ListOperation[];
  readonly invokedAt: number;
  /** Infinity unless it is known to be committed */
  readonly returnedAt: number;
}

export type SerializabilityVerdict =
  { readonly kind: "serializable" } | { readonly kind: "violation"; readonly text: string };

type Relation = "ww" | "wr" | "rw" | "time";

/** @param history each element appended once at most */
export function checkSerializable(history: readonly ListTransaction[]): SerializabilityVerdict {
  const lists = new Lists(history);
  const fault = lists.fault();
  if (fault !== undefined) return { kind: "violation", text: fault };
  const graph = new Graph();
  // What nobody knows of took place if somebody saw it.
  const real = history.filter((one) => one.outcome === "committed" || lists.isSeen(one));
  for (const transaction of real) graph.add(transaction);
  addDependencies(graph, lists, real);
  addTime(graph, real);
  const circle = graph.circle();
  if (circle === undefined) return { kind: "serializable" };
  return { kind: "violation", text: `transactions go round in a circle: ${circle}` };
}

/** What a read saw of others: without what its own transaction had appended before it. */
interface ForeignRead {
  readonly transaction: ListTransaction;
  readonly key: string;
  readonly elements: readonly string[];
}

/** The lists as they grew: the longest that was read of each key. */
class Lists {
  /** "key element" → who appended it */
  readonly #writers = new Map<string, ListTransaction>();
  readonly #longest = new Map<string, readonly string[]>();
  /** "key element" of all that was read */
  readonly #seen = new Set<string>();
  readonly reads: readonly ForeignRead[];
  /** appended by somebody and seen by nobody, by key */
  readonly #unseen = new Map<string, readonly ListTransaction[]>();
  #fault: string | undefined;

  constructor(history: readonly ListTransaction[]) {
    for (const transaction of history) {
      for (const operation of transaction.operations) {
        if (operation.kind !== "append") continue;
        const name = nameOf(operation.key, operation.element);
        assert(!this.#writers.has(name), "an element is appended once");
        this.#writers.set(name, transaction);
      }
    }
    const committed = history.filter(({ outcome }) => outcome === "committed");
    this.reads = committed.flatMap((transaction) => this.#foreignReads(transaction));
    for (const { key, elements } of this.reads) this.#noteLength(key, elements);
    for (const [key, elements] of this.#longest) {
      for (const element of elements) this.#seen.add(nameOf(key, element));
    }
    this.#noteUnseen(history);
  }

  /** What is wrong without any circle. */
  fault(): string | undefined {
    return (
      this.#fault ??
      this.reads.map((read) => this.#faultOf(read)).find((text) => text !== undefined)
    );
  }

  longest(key: string): readonly string[] {
    return this.#longest.get(key) ?? [];
  }

  get keys(): Iterable<string> {
    return this.#longest.keys();
  }

  writer(key: string, element: string | undefined): ListTransaction | undefined {
    return element === undefined ? undefined : this.#writers.get(nameOf(key, element));
  }

  /** Committed appends of a key that no list has. */
  unseen(key: string): readonly ListTransaction[] {
    return this.#unseen.get(key) ?? [];
  }

  /** Whether somebody saw something that `transaction` appended. */
  isSeen(transaction: ListTransaction): boolean {
    return transaction.operations.some(
      (operation) =>
        operation.kind === "append" && this.#seen.has(nameOf(operation.key, operation.element)),
    );
  }

  #foreignReads(transaction: ListTransaction): readonly ForeignRead[] {
    const own = new Map<string, string[]>();
    const reads: ForeignRead[] = [];
    for (const operation of transaction.operations) {
      const { key } = operation;
      const appended = own.get(key) ?? [];
      if (operation.kind === "append") {
        own.set(key, [...appended, operation.element]);
        continue;
      }
      const { elements } = operation;
      const foreign = elements.slice(0, elements.length - appended.length);
      if (elements.slice(foreign.length).join() !== appended.join()) {
        this.#fault ??= `${transaction.name} did not see its own appends to ${key}: ${show(elements)}`;
      }
      reads.push({ transaction, key, elements: foreign });
    }
    return reads;
  }

  #noteLength(key: string, elements: readonly string[]): void {
    if (elements.length >= this.longest(key).length) this.#longest.set(key, elements);
  }

  #noteUnseen(history: readonly ListTransaction[]): void {
    for (const transaction of history) {
      const isReal = transaction.outcome === "committed" || this.isSeen(transaction);
      if (!isReal || transaction.outcome === "aborted") continue;
      for (const operation of transaction.operations) {
        if (operation.kind !== "append") continue;
        const { key, element } = operation;
        if (this.#seen.has(nameOf(key, element))) continue;
        this.#unseen.set(key, [...this.unseen(key), transaction]);
      }
    }
  }

  #faultOf({ transaction, key, elements }: ForeignRead): string | undefined {
    const longest = this.longest(key);
    // What is the beginning of a good list is good.
    const isBeginning = elements.every((element, at) => element === longest[at]);
    if (isBeginning && elements !== longest) return undefined;
    const seen = new Set<string>();
    for (const [at, element] of elements.entries()) {
      const writer = this.writer(key, element);
      const what = `${transaction.name} read ${element} in ${key}`;
      if (writer === undefined) return `${what}, which nobody appended`;
      if (writer.outcome === "aborted") return `${what}, which ${writer.name} gave up`;
      if (seen.has(element)) return `${what} twice: ${show(elements)}`;
      if (longest[at] !== element) {
        return `${transaction.name} read ${show(elements)} in ${key}, and another ${show(longest)}`;
      }
      seen.add(element);
    }
    return undefined;
  }
}

function addDependencies(graph: Graph, lists: Lists, real: readonly ListTransaction[]): void {
  for (const key of lists.keys) {
    const order = lists.longest(key);
    order.forEach((element, at) => {
      graph.relate(lists.writer(key, element), "ww", lists.writer(key, order[at + 1]));
    });
    // What no list has stands behind all that the lists have.
    for (const last of lists.unseen(key)) {
      graph.relate(lists.writer(key, order.at(-1)), "ww", last);
    }
  }
  const isReal = new Set(real);
  for (const { transaction, key, elements } of lists.reads) {
    if (!isReal.has(transaction)) continue;
    const next = lists.longest(key)[elements.length];
    graph.relate(lists.writer(key, elements.at(-1)), "wr", transaction);
    if (next !== undefined) graph.relate(transaction, "rw", lists.writer(key, next));
    else for (const later of lists.unseen(key)) graph.relate(transaction, "rw", later);
  }
}

/** A chain of moments: who returned stands before a moment, and that before whoever was called after it. */
function addTime(graph: Graph, real: readonly ListTransaction[]): void {
  const ends = real
    .filter(({ returnedAt }) => returnedAt !== Infinity)
    .toSorted((a, b) => a.returnedAt - b.returnedAt);
  const starts = real.toSorted((a, b) => a.invokedAt - b.invokedAt);
  let next = 0;
  let moment: Node | undefined;
  for (const transaction of starts) {
    for (
      let end = ends[next];
      end !== undefined && end.returnedAt < transaction.invokedAt;
      end = ends[next]
    ) {
      const later = graph.moment();
      graph.link(graph.node(end), "time", later);
      if (moment !== undefined) graph.link(moment, "time", later);
      moment = later;
      next += 1;
    }
    if (moment !== undefined) graph.link(moment, "time", graph.node(transaction));
  }
}

interface Node {
  /** undefined: a moment */
  readonly transaction: ListTransaction | undefined;
  readonly links: { readonly relation: Relation; readonly to: Node }[];
  /** Tarjan's numbers; 0: not visited */
  order: number;
  low: number;
  isOnStack: boolean;
}

class Graph {
  readonly #nodes: Node[] = [];
  readonly #byTransaction = new Map<ListTransaction, Node>();

  add(transaction: ListTransaction): void {
    this.#byTransaction.set(transaction, this.#push(transaction));
  }

  moment(): Node {
    return this.#push(undefined);
  }

  node(transaction: ListTransaction): Node {
    const node = this.#byTransaction.get(transaction);
    assert(node !== undefined, "the transaction is in the graph");
    return node;
  }

  /** Nothing, when either is absent or both are the same. */
  relate(
    from: ListTransaction | undefined,
    relation: Relation,
    to: ListTransaction | undefined,
  ): void {
    if (from === undefined || to === undefined || from === to) return;
    this.link(this.node(from), relation, this.node(to));
  }

  link(from: Node, relation: Relation, to: Node): void {
    from.links.push({ relation, to });
  }

  #push(transaction: ListTransaction | undefined): Node {
    const node = { transaction, links: [], order: 0, low: 0, isOnStack: false };
    this.#nodes.push(node);
    return node;
  }

  /** A circle of transactions as text, a short one; undefined when there is none. */
  circle(): string | undefined {
    for (const component of this.#components()) {
      if (component.size < 2) continue;
      const start = [...component].find(({ transaction }) => transaction !== undefined);
      assert(start !== undefined, "moments alone make no circle");
      return wayBack(start, component);
    }
    return undefined;
  }

  /** Tarjan's strongly connected components, without recursion. */
  *#components(): Generator<ReadonlySet<Node>> {
    let count = 0;
    const stack: Node[] = [];
    for (const root of this.#nodes) {
      if (root.order !== 0) continue;
      const path: { readonly node: Node; next: number }[] = [];
      const enter = (node: Node): void => {
        count += 1;
        Object.assign(node, { order: count, low: count, isOnStack: true });
        stack.push(node);
        path.push({ node, next: 0 });
      };
      enter(root);
      for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
        const { node } = step;
        const link = node.links[step.next];
        step.next += 1;
        if (link === undefined) {
          path.pop();
          const above = path.at(-1);
          if (above !== undefined) above.node.low = Math.min(above.node.low, node.low);
          if (node.low !== node.order) continue;
          const component = stack.splice(stack.indexOf(node));
          for (const member of component) member.isOnStack = false;
          yield new Set(component);
        } else if (link.to.order === 0) {
          enter(link.to);
        } else if (link.to.isOnStack) {
          node.low = Math.min(node.low, link.to.order);
        }
      }
    }
  }
}

/** The shortest way from `start` back to itself within its component. */
function wayBack(start: Node, component: ReadonlySet<Node>): string {
  const cameFrom = new Map<Node, { readonly from: Node; readonly relation: Relation }>();
  const queue = [start];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const { relation, to } of node.links) {
      if (!component.has(to) || cameFrom.has(to)) continue;
      cameFrom.set(to, { from: node, relation });
      if (to === start) queue.length = 0;
      else queue.push(to);
    }
    if (cameFrom.has(start)) break;
  }
  let text = start.transaction?.name ?? "";
  let node = start;
  do {
    const step = cameFrom.get(node);
    assert(step !== undefined, "every member of a component is reached");
    node = step.from;
    if (node.transaction !== undefined)
      text = `${node.transaction.name} -${step.relation}→ ${text}`;
  } while (node !== start);
  return text;
}

function nameOf(key: string, element: string): string {
  return `${key} ${element}`;
}

function show(elements: readonly string[]): string {
  return `[${elements.slice(-8).join(" ")}]`;
}
