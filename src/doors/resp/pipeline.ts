/**
 * The pipeline of one connection: commands come in, replies go out in their order,
 * and effects happen in it too.
 *
 * Consecutive writes are issued at once and wait together; consecutive reads share
 * one look at the store. Between a write and a read the pipeline waits: the read
 * is begun when the writes before it are answered, a write when the reads before it
 * are served. So a read sees all of its own connection's earlier writes and none of
 * its later ones. A plan of several steps has the pipeline to itself.
 *
 *   slots   answered | begun (writes on their way, or one group of reads) | waiting
 *           ^ gone     ^ #head                                              ^ #next
 *
 * Invariant: never are a write and a look at the store both under way, nor
 * anything else beside steps. A local command runs when it is at the head: when every reply before it is out.
 */
import { assert } from "../../assert.js";
import type { DatabaseError } from "../../errors.js";
import type { NodeService, StoreView } from "../../node/service.js";
import type { RequestResult } from "../../store/command.js";
import { requestOf } from "./command.js";
import type { Plan, StepsPlan, WritePlan } from "./command.js";
import { errorText } from "./error-text.js";
import type { ReplyWriter } from "./reply.js";
import type { Session } from "./session.js";

interface Slot {
  readonly plan: Plan;
  /** bytes of the request's arguments */
  readonly size: number;
  /** of a write, once it is answered */
  outcome: WriteOutcome | undefined;
}

type WriteOutcome =
  | { readonly kind: "result"; readonly result: RequestResult }
  | { readonly kind: "error"; readonly error: DatabaseError };

export interface PipelineOptions {
  readonly service: NodeService;
  readonly session: Session;
  readonly reply: ReplyWriter;
  readonly timeoutMs: number;
  /** a "last" command has run: nothing follows */
  readonly onLast: () => void;
  /** replies went out that did not when their commands came */
  readonly onProgress: () => void;
}

/** Answered slots are let go of when there are so many. */
const COMPACT_COUNT = 256;

export class Pipeline {
  readonly #options: PipelineOptions;
  #slots: Slot[] = [];
  #head = 0;
  #next = 0;
  #size = 0;
  #writesUnderWay = 0;
  /** While a look at the store is awaited: the end of the slots it will serve. */
  #readsEnd: number | undefined;
  #stepping = false;
  /** A "last" command was enqueued: what comes behind it is not heard. */
  #sealed = false;
  #stopped = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** commands not answered yet */
  get count(): number {
    return this.#slots.length - this.#head;
  }

  /** bytes of their arguments */
  get size(): number {
    return this.#size;
  }

  /** whether a command that ends the connection is enqueued or has run */
  get sealed(): boolean {
    return this.#sealed;
  }

  /** Adds a command; it is begun by `advance`, so that commands that came together are begun together. */
  enqueue(plan: Plan, size: number): void {
    if (this.#sealed) return;
    if (plan.kind === "last") this.#sealed = true;
    this.#slots.push({ plan, size, outcome: undefined });
    this.#size += size;
  }

  /** Begins what may begin. */
  advance(): void {
    if (this.#readsEnd !== undefined) return;
    while (!this.#stopped && !this.#stepping && this.#next < this.#slots.length) {
      const slot = this.#slot(this.#next);
      const { plan } = slot;
      if (plan.kind === "read" || plan.kind === "steps") {
        if (this.#writesUnderWay > 0) return;
        this.#drain();
        // A reply may have cut the client off.
        if (this.#isStopped()) return;
        assert(this.#head === this.#next, "a look begins when everything before it is answered");
        if (plan.kind === "steps") {
          this.#beginSteps(plan);
          continue;
        }
        this.#beginReads();
        return;
      }
      this.#next++;
      if (plan.kind === "write") this.#beginWrite(slot, plan);
      else this.#drain();
    }
  }

  /** The connection is gone: outcomes of what is under way have nobody to go to. */
  stop(): void {
    this.#stopped = true;
    this.#sealed = true;
    this.#slots = [];
    this.#head = 0;
    this.#next = 0;
    this.#size = 0;
  }

  #beginWrite(slot: Slot, plan: WritePlan): void {
    this.#writesUnderWay++;
    this.#options.service.execute(requestOf(plan), this.#options.timeoutMs, (error, result) => {
      this.#writesUnderWay--;
      if (error !== undefined) slot.outcome = { kind: "error", error };
      else if (result !== undefined) slot.outcome = { kind: "result", result };
      assert(slot.outcome !== undefined, "an execution ends with an error or a result");
      if (this.#stopped) return;
      this.#drain();
      if (this.#writesUnderWay === 0) this.advance();
      this.#options.onProgress();
    });
  }

  #beginSteps(plan: StepsPlan): void {
    const { reply, session, timeoutMs, onProgress } = this.#options;
    this.#stepping = true;
    this.#next++;
    let begun = false;
    plan.begin({
      reply,
      session,
      timeoutMs,
      stopped: () => this.#stopped,
      done: () => {
        this.#stepping = false;
        this.#leaveHead();
        if (!begun || this.#stopped) return;
        this.advance();
        onProgress();
      },
    });
    begun = true;
  }

  #beginReads(): void {
    let end = this.#next;
    while (end < this.#slots.length && isServedByRead(this.#slot(end).plan)) end++;
    this.#readsEnd = end;
    this.#next = end;
    this.#look();
  }

  #look(): void {
    this.#options.service.read(this.#options.timeoutMs, (error, view) => {
      if (this.#stopped) return;
      const finished = this.#serve(error, view);
      if (!finished) {
        this.#look();
        return;
      }
      this.#readsEnd = undefined;
      this.advance();
      this.#options.onProgress();
    });
  }

  /** Answers the group of reads; false when one of them needs another look. */
  #serve(error: DatabaseError | undefined, view: StoreView | undefined): boolean {
    const { reply, session } = this.#options;
    while (!this.#stopped && this.#head < (this.#readsEnd ?? 0)) {
      const { plan } = this.#slot(this.#head);
      if (plan.kind !== "read") {
        this.#runLocal(plan);
        continue;
      }
      if (error !== undefined) {
        reply.error(errorText(error));
      } else {
        assert(view !== undefined, "a read ends with an error or a view");
        if (plan.serve(reply, view, session) === "again") return false;
      }
      this.#leaveHead();
    }
    return true;
  }

  /** Sends what is answered at the head, and runs the local commands that get there. */
  #drain(): void {
    const { reply, session } = this.#options;
    while (!this.#stopped && this.#head < this.#next) {
      const slot = this.#slot(this.#head);
      const { plan, outcome } = slot;
      if (plan.kind === "write") {
        if (outcome === undefined) return;
        if (outcome.kind === "error") reply.error(errorText(outcome.error));
        else plan.answer(reply, outcome.result, session);
        this.#leaveHead();
      } else {
        this.#runLocal(plan);
      }
    }
  }

  #runLocal(plan: Plan): void {
    assert(plan.kind === "local" || plan.kind === "last", "reads are served by a look alone");
    plan.run(this.#options.reply, this.#options.session);
    this.#leaveHead();
    if (plan.kind !== "last") return;
    this.#stopped = true;
    this.#options.onLast();
  }

  #leaveHead(): void {
    // A reply may have cut the client off, and stopped the pipeline.
    if (this.#stopped) return;
    this.#size -= this.#slot(this.#head).size;
    this.#head++;
    if (this.#head < COMPACT_COUNT && this.#head < this.#slots.length) return;
    this.#slots.splice(0, this.#head);
    this.#next -= this.#head;
    if (this.#readsEnd !== undefined) this.#readsEnd -= this.#head;
    this.#head = 0;
  }

  /** Asked of a function, since what ran in between may have changed it. */
  #isStopped(): boolean {
    return this.#stopped;
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    assert(slot !== undefined, "a slot's index is within the pipeline");
    return slot;
  }
}

function isServedByRead(plan: Plan): boolean {
  return plan.kind === "read" || plan.kind === "local";
}
