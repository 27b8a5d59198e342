/**
 * The pipeline of one connection: commands come in, replies go out in their order,
 * and effects happen in it too.
 *
 * Consecutive writes are issued at once and wait together; consecutive reads share
 * one look at the store, or several when they take long (read-turns.ts). Between a write and a read the pipeline waits: the read
 * is begun when the writes before it are answered, a write when the reads before it
 * are served. So a read sees all of its own connection's earlier writes and none of
 * its later ones. A plan of several steps has the pipeline to itself. A client that
 * does not take its replies is served no reads until it does.
 *
 *   slots   answered | begun (writes on their way, or one group of reads) | waiting
 *           ^ gone     ^ first                                              ^ #next
 *
 * Invariant: never are a write and a look at the store both under way, nor
 * anything else beside steps. A local command runs when it is at the head: when every reply before it is out.
 */
import { assert } from "../../assert.js";
import type { DatabaseError } from "../../errors.js";
import type { ExecuteDone, NodeService, ReadDone, StoreView } from "../../node/service.js";
import type { PutInPlace } from "../../store/command.js";
import { PlainPut } from "../../node/plain-put.js";
import { WriteOrder } from "../../node/write-order.js";
import type { Lookups } from "../../store/lookups.js";
import type { ReadTurns } from "../read-turns.js";
import { requestOf } from "./command.js";
import type { Plan, StepsPlan } from "./command.js";
import { errorText } from "./error-text.js";
import { PipelineSlots, PLAIN_GET, PLAIN_SET } from "./pipeline-slots.js";
import type { Slot, SlotPlan } from "./pipeline-slots.js";
import type { ReplyWriter } from "./reply.js";
import type { Session } from "./session.js";

export interface PipelineOptions {
  readonly service: NodeService;
  readonly turns: ReadTurns;
  /** for this and other pipelines: nothing is left in it */
  readonly lookups: Lookups;
  readonly session: Session;
  readonly reply: ReplyWriter;
  readonly timeoutMs: number;
  /** whether so many replies wait to be sent that reads wait for `goOn` */
  readonly mustPause: () => boolean;
  /** a "last" command has run: nothing follows */
  readonly onLast: () => void;
  /** replies went out that did not when their commands came */
  readonly onProgress: () => void;
}

/** A GET or SET as it came: what it names lies in `bytes`, which nobody changes any more. */
export interface PlainCommand extends PutInPlace {
  readonly bytes: Buffer;
  /** bytes of its arguments */
  readonly plainSize: number;
}

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #slots = new PipelineSlots();
  readonly #order = new WriteOrder();
  /** the first command that was not begun */
  #next = 0;
  #size = 0;
  #writesUnderWay = 0;
  /** of the plain puts that are begun together, by the service's clock */
  #deadline = 0;
  /** While a look at the store is awaited: the end of the slots it will serve. */
  #readsEnd: number | undefined;
  #stepping = false;
  /** The client takes its replies more slowly than they are made. */
  #isPaused = false;
  /** A "last" command was enqueued: what comes behind it is not heard. */
  #sealed = false;
  #stopped = false;
  /** One for all looks: there is but one at a time. */
  readonly #onLooked: ReadDone = (error, view) => {
    this.#served(error, view);
  };

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** commands not answered yet */
  get count(): number {
    return this.#slots.count;
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
    this.#slots.push(plan, size);
    this.#size += size;
  }

  /** Adds a GET or SET likewise. */
  enqueuePlain(kind: "get" | "set", command: PlainCommand): void {
    if (this.#sealed) return;
    const size = command.plainSize;
    const slot = this.#slots.push(kind === "get" ? PLAIN_GET : PLAIN_SET, size);
    this.#size += size;
    if (kind === "set") {
      slot.put ??= new PlainPut(this.#order);
      slot.put.take(command, (slot.done ??= this.#doneOf(slot)));
      return;
    }
    slot.bytes = command.bytes;
    slot.keyStart = command.keyStart;
    slot.keySize = command.keySize;
  }

  /** Begins what may begin. */
  advance(): void {
    if (this.#readsEnd !== undefined) return;
    let hasDeadline = false;
    while (!this.#stopped && !this.#stepping && this.#next < this.#slots.end) {
      const slot = this.#slots.at(this.#next);
      const { plan } = slot;
      if (isRead(plan) || plan.kind === "steps") {
        if (this.#writesUnderWay > 0) return;
        this.#drain();
        // A reply may have cut the client off.
        if (this.#isStopped()) return;
        assert(this.#slots.first === this.#next, "a look begins when all before it is answered");
        if ((this.#isPaused = this.#options.mustPause())) return;
        if (plan.kind === "steps") {
          this.#beginSteps(plan);
          continue;
        }
        this.#beginReads();
        return;
      }
      this.#next++;
      if (plan.kind === "set") {
        // The clock is asked once for all that came together.
        if (!hasDeadline) this.#deadline = this.#options.service.now() + this.#options.timeoutMs;
        hasDeadline = true;
        this.#beginSet(slot);
      } else if (plan.kind === "write") this.#beginWrite(slot, plan);
      else this.#drain();
    }
  }

  /** Replies were taken: what waited for that goes on. */
  goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#stopped) return;
    if (this.#readsEnd !== undefined) {
      this.#options.turns.wait(this.#onLooked);
      return;
    }
    this.advance();
    this.#options.onProgress();
  }

  /** The connection is gone: outcomes of what is under way have nobody to go to. */
  stop(): void {
    this.#stopped = true;
    this.#sealed = true;
    this.#slots.clear();
    this.#next = this.#slots.end;
    this.#size = 0;
  }

  #beginSet({ put }: Slot): void {
    assert(put !== undefined, "the slot of a SET holds it");
    this.#writesUnderWay++;
    put.deadline = this.#deadline;
    this.#options.service.put(put);
  }

  #beginWrite(slot: Slot, plan: SlotPlan & { readonly kind: "write" }): void {
    this.#writesUnderWay++;
    const { service, timeoutMs } = this.#options;
    const done = (slot.done ??= this.#doneOf(slot));
    service.execute(requestOf(plan), timeoutMs, done, "result", this.#order);
  }

  /** A slot is used again when its write is answered, and not before. */
  #doneOf(slot: Slot): ExecuteDone {
    return (error, result) => {
      this.#writesUnderWay--;
      assert(error !== undefined || result !== undefined, "a write ends with an error or a result");
      if (this.#stopped) return;
      slot.error = error;
      slot.result = result;
      this.#drain();
      if (this.#writesUnderWay === 0) this.advance();
      this.#options.onProgress();
    };
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
        this.#leaveFirst();
        if (!begun || this.#stopped) return;
        this.advance();
        onProgress();
      },
    });
    begun = true;
  }

  #beginReads(): void {
    const { end } = this.#slots;
    let place = this.#next;
    while (place < end && isServedByRead(this.#slots.at(place).plan)) place++;
    this.#readsEnd = place;
    this.#next = place;
    this.#options.service.read(this.#options.timeoutMs, this.#onLooked);
  }

  #served(error: DatabaseError | undefined, view: StoreView | undefined): void {
    if (this.#stopped) return;
    if (!this.#serve(error, view)) {
      if (!this.#isPaused) this.#options.turns.wait(this.#onLooked);
      return;
    }
    this.#readsEnd = undefined;
    this.advance();
    this.#options.onProgress();
  }

  /** Answers the group of reads; false when the rest has to wait for another look, or for `goOn`. */
  #serve(error: DatabaseError | undefined, view: StoreView | undefined): boolean {
    const { turns, reply, session, mustPause } = this.#options;
    let foundFrom = 0;
    let foundEnd = 0;
    while (!this.#stopped && this.#slots.first < (this.#readsEnd ?? 0)) {
      if ((this.#isPaused = mustPause())) return false;
      const slot = this.#slots.at(this.#slots.first);
      const { plan } = slot;
      if (!isRead(plan)) {
        this.#runLocal(plan);
        continue;
      }
      if (error !== undefined) {
        reply.error(errorText(error));
      } else {
        assert(view !== undefined, "a read ends with an error or a view");
        if (plan.kind === "get") {
          const { first } = this.#slots;
          if (first >= foundEnd) {
            foundFrom = first;
            foundEnd = this.#findFrom(first, view);
          }
          reply.valueAt(view, this.#options.lookups.placeAt(first - foundFrom));
        } else if (!turns.tryServing(() => plan.serve(reply, view, session))) return false;
      }
      this.#leaveFirst();
    }
    return true;
  }

  /** Looks up the key of a GET and of those right behind it. @returns the end of their places */
  #findFrom(first: number, view: StoreView): number {
    const { lookups } = this.#options;
    let place = first;
    for (; place < (this.#readsEnd ?? 0) && !lookups.isFull; place++) {
      const { plan, bytes, keyStart, keySize } = this.#slots.at(place);
      if (plan.kind !== "get") break;
      lookups.add(bytes, keyStart, keySize);
    }
    view.findAll(lookups);
    return place;
  }

  /** Sends what is answered at the head, and runs the local commands that get there. */
  #drain(): void {
    while (!this.#stopped && this.#slots.first < this.#next) {
      const slot = this.#slots.at(this.#slots.first);
      const { plan } = slot;
      if (plan.kind !== "write" && plan.kind !== "set") {
        this.#runLocal(plan);
        continue;
      }
      if (slot.error === undefined && slot.result === undefined) return;
      this.#answerWrite(slot, plan);
      this.#leaveFirst();
    }
  }

  #answerWrite({ error, result }: Slot, plan: SlotPlan & { readonly kind: "write" | "set" }): void {
    const { reply, session } = this.#options;
    if (error !== undefined) {
      reply.error(errorText(error));
      return;
    }
    assert(result !== undefined, "an answered write has an error or a result");
    if (plan.kind === "write") {
      plan.answer(reply, result, session);
      return;
    }
    if (result.kind === "applied") reply.ok();
    else reply.error(`ERR the put was refused: ${result.reason}`);
  }

  #runLocal(plan: SlotPlan): void {
    assert(plan.kind === "local" || plan.kind === "last", "reads are served by a look alone");
    plan.run(this.#options.reply, this.#options.session);
    this.#leaveFirst();
    if (plan.kind !== "last") return;
    this.#stopped = true;
    this.#options.onLast();
  }

  #leaveFirst(): void {
    // A reply may have cut the client off, and stopped the pipeline.
    if (this.#stopped) return;
    this.#size -= this.#slots.at(this.#slots.first).size;
    this.#slots.shift();
  }

  /** Asked of a function, since what ran in between may have changed it. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}

function isRead(plan: SlotPlan): plan is SlotPlan & { readonly kind: "read" | "get" } {
  return plan.kind === "read" || plan.kind === "get";
}

function isServedByRead(plan: SlotPlan): boolean {
  return isRead(plan) || plan.kind === "local";
}
