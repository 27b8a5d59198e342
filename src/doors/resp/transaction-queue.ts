/**
 * The transaction of one connection, between MULTI and EXEC: commands are planned
 * and kept, nothing runs. All of this is decided as commands come in, before those
 * in front of them are answered: it depends on what was sent and on nothing else.
 *
 *   closed --MULTI--> open --EXEC, DISCARD, RESET--> closed
 *                     open --a command that cannot be--> doomed --EXEC: EXECABORT--> closed
 *
 * What is watched belongs to the next EXEC, or goes with DISCARD, UNWATCH or RESET.
 * Queue and watches are bounded, of one connection and of all together; the
 * connection's end forgets both.
 */
import { COMMAND_OVERHEAD_SIZE } from "../../store/limits.js";
import { local, ok, refuse, reject } from "./command.js";
import type { CommandContext, LocalPlan, Plan, QueueablePlan, Transactions } from "./command.js";
import { planExec } from "./exec.js";
import { TOO_MUCH_HELD, WatchSet } from "./watch-set.js";

/** Commands of one transaction. */
const QUEUE_COUNT_MAX = 65_536;

const ABORTED = "EXECABORT Transaction discarded because of previous errors.";

interface Queue {
  readonly plans: QueueablePlan[];
  size: number;
  doomed: boolean;
}

export class TransactionQueue implements Transactions {
  readonly #context: CommandContext;
  #queue: Queue | undefined;
  #watched: WatchSet | undefined;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  get open(): boolean {
    return this.#queue !== undefined;
  }

  /** commands kept */
  get count(): number {
    return this.#queue?.plans.length ?? 0;
  }

  begin(): Plan {
    if (this.open) return refuse("ERR MULTI calls can not be nested");
    this.#queue = { plans: [], size: 0, doomed: false };
    return ok();
  }

  /** Keeps a command for EXEC. @param args with the command's name */
  add(plan: QueueablePlan, args: readonly Buffer[]): LocalPlan {
    const queue = this.#queue;
    if (queue === undefined) return refuse("ERR no transaction is open");
    // Nothing of it will run, so that nothing is kept.
    if (queue.doomed) return QUEUED;
    const size = args.reduce((sum, arg) => sum + arg.length + COMMAND_OVERHEAD_SIZE, 0);
    const { requestSizeMax } = this.#context.service.limits;
    if (queue.plans.length >= QUEUE_COUNT_MAX) {
      return this.#doomedBy(`more than ${QUEUE_COUNT_MAX} commands`);
    }
    if (queue.size + size > requestSizeMax) {
      return this.#doomedBy(
        `more than ${requestSizeMax} bytes of arguments (${COMMAND_OVERHEAD_SIZE} counted beside each)`,
      );
    }
    if (!this.#context.held.tryTake(size)) {
      this.doom();
      return reject(TOO_MUCH_HELD);
    }
    queue.size += size;
    queue.plans.push(plan);
    return QUEUED;
  }

  #doomedBy(reason: string): LocalPlan {
    this.doom();
    return reject(`ERR the transaction is too large: ${reason}`);
  }

  /** A command was refused before it could be queued: EXEC will refuse them all. */
  doom(): void {
    if (this.#queue === undefined) return;
    this.#context.held.give(this.#queue.size);
    this.#queue = { plans: [], size: 0, doomed: true };
  }

  execute(): Plan {
    const queue = this.#queue;
    if (queue === undefined) return refuse("ERR EXEC without MULTI");
    const watched = this.#watched;
    this.forget();
    if (queue.doomed) return refuse(ABORTED);
    return planExec(queue.plans, watched, this.#context);
  }

  discard(): Plan {
    if (!this.open) return refuse("ERR DISCARD without MULTI");
    this.forget();
    return ok();
  }

  watch(keys: readonly Buffer[]): Plan {
    if (this.open) return refuse("ERR WATCH inside MULTI is not allowed");
    this.#watched ??= new WatchSet(this.#context.service.limits, this.#context.held);
    return this.#watched.watch(keys);
  }

  /** In a transaction it comes too late to change anything. */
  unwatch(): Plan {
    if (!this.open) this.#forgetWatched();
    return ok();
  }

  forget(): void {
    this.#context.held.give(this.#queue?.size ?? 0);
    this.#queue = undefined;
    this.#forgetWatched();
  }

  #forgetWatched(): void {
    this.#watched?.release();
    this.#watched = undefined;
  }
}

const QUEUED = local((reply) => {
  reply.simple("QUEUED");
});
