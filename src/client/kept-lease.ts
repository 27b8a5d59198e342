/**
 * A lease and the timer that keeps it alive: at a third of its time, and more often
 * when that fails. By this process's own monotonic clock it is given up as lost as
 * soon as its time has passed since it was last known to be alive, whatever the
 * cluster may think: a holder must stop before its lease ends, not after. Where leaders'
 * clocks disagree that cannot be promised (lease.ts); the fencing token can.
 */
import { randomInt } from "node:crypto";
import { DatabaseError } from "../errors.js";
import type { Lease, LeaseOptions } from "../lease.js";
import type { OperationOptions } from "../operations.js";
import type { LeaseCommand, Request } from "../store/command.js";
import { CLIENT_TIMEOUT_MS_MAX } from "../codec/client-message.js";
import type { Backend } from "./backend.js";
import { durationOf } from "./expiry.js";
import { appliedResults } from "./rejection.js";
import { newRequestId } from "./request-id.js";

/** Ids are drawn from so many: a grant that is asked again must not grant two. */
const ID_COUNT = 2 ** 47;
/** A lease is kept alive when this share of its time has passed. */
const KEEP_SHARE = 1 / 3;
/** How often a keep-alive that failed is tried again, as a share of the time to live. */
const RETRY_SHARE = 1 / 12;
/** Milliseconds; a longer timer of Node's ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Grants a lease. Asked again under the same id, it is granted once. */
export async function grantLease(backend: Backend, options: LeaseOptions): Promise<Lease> {
  const ttlMs = durationOf(options.ttlMs, "ttlMs");
  const id = 1 + randomInt(ID_COUNT);
  const askedAt = performance.now();
  await run(backend, { kind: "grantLease", lease: id, ttl: ttlMs }, options);
  return new KeptLease(backend, id, ttlMs, askedAt, options.keepAlive ?? true);
}

async function run(
  backend: Backend,
  command: LeaseCommand,
  options: OperationOptions | undefined,
): Promise<void> {
  const request: Request = { id: newRequestId(), commands: [command] };
  appliedResults(request, await backend.execute(request, "whole", options));
}

class KeptLease implements Lease {
  readonly id: number;
  readonly ttlMs: number;
  readonly #backend: Backend;
  readonly #lost = new AbortController();
  /** by `performance.now`: when it was last asked for in a request that was answered */
  #aliveAt: number;
  #keeps: boolean;
  #timer: NodeJS.Timeout | undefined;
  #revoked: Promise<void> | undefined;

  constructor(backend: Backend, id: number, ttlMs: number, aliveAt: number, keeps: boolean) {
    this.#backend = backend;
    this.id = id;
    this.ttlMs = ttlMs;
    this.#aliveAt = aliveAt;
    this.#keeps = keeps;
    this.#schedule(ttlMs * KEEP_SHARE);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async keepAlive(options?: OperationOptions): Promise<void> {
    const askedAt = performance.now();
    try {
      await run(this.#backend, { kind: "keepLease", lease: this.id }, options);
      this.#aliveAt = Math.max(this.#aliveAt, askedAt);
    } catch (error) {
      if (error instanceof DatabaseError && error.code === "LEASE_GONE") this.#lose(error);
      throw error;
    }
  }

  async revoke(options?: OperationOptions): Promise<void> {
    this.#revoked ??= this.#revoke(options).catch((error: unknown) => {
      // It may be asked again.
      this.#revoked = undefined;
      throw error;
    });
    return this.#revoked;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke();
  }

  async #revoke(options: OperationOptions | undefined): Promise<void> {
    this.#lose(new DatabaseError("LEASE_GONE", `lease ${this.id} was revoked here`));
    try {
      await run(this.#backend, { kind: "revokeLease", lease: this.id }, options);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "LEASE_GONE") throw error;
    }
  }

  #lose(reason: DatabaseError): void {
    this.#keeps = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lost.abort(reason);
  }

  /** Looks again in `inMs`, but never later than the lease may end. */
  #schedule(inMs: number): void {
    if (this.#lost.signal.aborted) return;
    const leftMs = this.#aliveAt + this.ttlMs - performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#look();
      },
      Math.max(1, Math.min(this.#keeps ? inMs : leftMs, leftMs, TIMER_MS_MAX)),
    );
    // A lease does not keep a process alive; the process keeps the lease.
    this.#timer.unref();
  }

  #look(): void {
    const leftMs = this.#aliveAt + this.ttlMs - performance.now();
    if (leftMs <= 0) {
      const message = `lease ${this.id} was not kept alive for ${this.ttlMs} ms`;
      this.#lose(new DatabaseError("LEASE_GONE", message));
      return;
    }
    if (!this.#keeps) {
      this.#schedule(leftMs);
      return;
    }
    // The timer that is set meanwhile sees to it that the end is noticed in time.
    this.#schedule(leftMs);
    this.keepAlive({ timeoutMs: Math.min(leftMs, CLIENT_TIMEOUT_MS_MAX) }).then(
      () => {
        this.#schedule(this.ttlMs * KEEP_SHARE);
      },
      () => {
        this.#schedule(this.ttlMs * RETRY_SHARE);
      },
    );
  }
}
