/**
 * Workloads: which operations, in which shares, on which keys. The lettered ones
 * are YCSB's core workloads (Cooper et al., 2010).
 */
import { type Distribution, Zipfian } from "./keys.js";
import { OPERATION, type Operation, type OperationName } from "./operation.js";
import { Random } from "./random.js";

/** Shares of a hundred. */
type Mix = Readonly<Partial<Record<OperationName, number>>>;

const MIXES = {
  put: { put: 100 },
  get: { get: 100 },
  mixed: { get: 50, put: 50 },
  list: { list: 100 },
  transaction: { transaction: 100 },
  "ycsb-a": { get: 50, put: 50 },
  "ycsb-b": { get: 95, put: 5 },
  "ycsb-c": { get: 100 },
  "ycsb-d": { get: 95, insert: 5 },
  "ycsb-e": { list: 95, insert: 5 },
  "ycsb-f": { get: 50, readModifyWrite: 50 },
} as const satisfies Readonly<Record<string, Mix>>;

export type WorkloadName = keyof typeof MIXES;
export const WORKLOADS = Object.keys(MIXES) as readonly WorkloadName[];

/** Keys a list asks for, at most; uniform from 1. */
const LIST_COUNT_MAX = 100;

/** Whether reads follow what was inserted last. */
function readsLatest(workload: WorkloadName): boolean {
  return workload === "ycsb-d";
}

/** Whether every key must be there before it begins. */
export function needsKeys(workload: WorkloadName): boolean {
  return workload !== "put";
}

export function operationsOf(workload: WorkloadName): readonly OperationName[] {
  return Object.keys(MIXES[workload]) as OperationName[];
}

/** YCSB's are zipfian, as YCSB has them; everything else asks for all keys alike. */
export function usualDistribution(workload: WorkloadName): Distribution {
  return workload.startsWith("ycsb-") ? "zipfian" : "uniform";
}

export interface DemandOptions {
  readonly workload: WorkloadName;
  readonly keys: number;
  readonly distribution: Distribution;
  readonly seed: number;
}

/** What is asked next. One object, changed in place: nothing is made for a request. */
export interface Demand {
  operation: Operation;
  /** the key's number, from 0 */
  key: number;
  /** another key's number: for a transaction */
  otherKey: number;
  /** how many keys a list asks for */
  count: number;
  /** Goes on to the next. */
  next(): void;
}

export class WorkloadDemand implements Demand {
  operation: Operation = OPERATION.put;
  key = 0;
  otherKey = 0;
  count = 1;
  readonly #options: DemandOptions;
  readonly #random: Random;
  readonly #zipfian: Zipfian;
  /** the operation of each of a hundred equal chances */
  readonly #operations: Uint8Array;
  /** keys that there are, inserted ones too */
  #keys: number;

  constructor(options: DemandOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#zipfian = new Zipfian(options.keys, this.#random);
    this.#keys = options.keys;
    const mix: Mix = MIXES[options.workload];
    this.#operations = Uint8Array.from(
      Object.entries(mix).flatMap(([name, share]) =>
        new Array<number>(share).fill(OPERATION[name as OperationName]),
      ),
    );
  }

  next(): void {
    const operation = (this.#operations[this.#random.below(this.#operations.length)] ??
      OPERATION.put) as Operation;
    this.operation = operation;
    if (operation === OPERATION.insert) {
      this.key = this.#keys;
      this.#keys += 1;
      return;
    }
    this.key = this.#chooseKey();
    if (operation === OPERATION.list) this.count = 1 + this.#random.below(LIST_COUNT_MAX);
    if (operation === OPERATION.transaction) {
      this.otherKey = this.#chooseKey();
      if (this.otherKey === this.key) this.otherKey = (this.key + 1) % this.#keys;
    }
  }

  #chooseKey(): number {
    const { workload, keys, distribution } = this.#options;
    if (readsLatest(workload)) return this.#keys - 1 - this.#zipfian.rank();
    return distribution === "uniform" ? this.#random.below(keys) : this.#zipfian.scrambled();
  }
}

/** Every key once, in order. */
export class FillDemand implements Demand {
  readonly operation = OPERATION.put;
  readonly otherKey = 0;
  readonly count = 1;
  key = -1;
  readonly #keys: number;

  constructor(keys: number) {
    this.#keys = keys;
  }

  get isOver(): boolean {
    return this.key >= this.#keys - 1;
  }

  next(): void {
    if (!this.isOver) this.key += 1;
  }
}
