/**
 * Clients with leases and with keys that live for a while: they grant, attach, keep
 * alive, revoke, and forget. What leases did is judged by the log (lease-ledger.ts).
 */
import type { Command, Expiry, LeaseCommand } from "../store/command.js";
import { bytesOf, execute, type Script } from "./client-script.js";
import type { RandomStream } from "./random.js";
import { requestId } from "./simulated-node.js";

const KEY_COUNT = 6;
/** Milliseconds. */
const TTL_MS = [30, 1500] as const;
/** Beyond what a clock that is ahead may take off: such leases outlive the life. Milliseconds. */
const LONG_TTL_MS = [12_000, 40_000] as const;
/** Of the keys whose leases outlive the life. */
export const LASTING_KEY_PREFIX = "y";
/** Leases that a client remembers. */
const HELD_MAX = 3;

/** A client's scripts, by chance from `random`. @param name of the client, unique */
export function leaseScripts(name: string, random: RandomStream): () => Script {
  const held: number[] = [];
  let count = 0;
  const request = (command: Command) => {
    count += 1;
    return execute({ id: requestId(`${name}/${count}`), commands: [command] });
  };
  const key = (): Uint8Array => bytesOf(`x${random.integer(1, KEY_COUNT)}`);
  const ttl = (): number => random.integer(...TTL_MS);

  function* grant(): Script {
    const lasts = random.chance(0.25);
    const time = lasts ? random.integer(...LONG_TTL_MS) : ttl();
    const done = yield* request({ kind: "grantLease", lease: 0, ttl: time });
    if (done.kind !== "answered" || done.value.kind !== "applied") return;
    const detail = done.value.results[0]?.detail;
    if (detail?.kind !== "lease") return;
    if (lasts) {
      const lasting = bytesOf(`${LASTING_KEY_PREFIX}${random.integer(1, KEY_COUNT)}`);
      yield* put({ kind: "lease", lease: detail.lease }, lasting);
      return;
    }
    held.unshift(detail.lease);
    held.length = Math.min(held.length, HELD_MAX);
    yield* put({ kind: "lease", lease: detail.lease });
  }

  function* put(expiry: Expiry, where = key()): Script {
    const value = bytesOf(`${name}-${count}`);
    yield* request({ kind: "put", key: where, value, condition: "none", expiry });
  }

  function* about(kind: "keepLease" | "revokeLease" | "attach"): Script {
    if (held.length === 0) return;
    const lease = random.pick(held);
    if (kind === "attach") yield* put({ kind: "lease", lease });
    else yield* request({ kind, lease } satisfies LeaseCommand);
  }

  function* change(): Script {
    const dice = random.next();
    if (dice < 0.4)
      yield* request({ kind: "setExpiry", key: key(), expiry: { kind: "ttl", ttl: ttl() } });
    else if (dice < 0.6) yield* request({ kind: "setExpiry", key: key() });
    else if (dice < 0.8) yield* put({ kind: "keep" });
    else yield* request({ kind: "delete", key: key() });
  }

  return () => {
    const dice = random.next();
    if (dice < 0.25) return grant();
    if (dice < 0.35) return about("attach");
    if (dice < 0.55) return about("keepLease");
    if (dice < 0.6) return about("revokeLease");
    if (dice < 0.85) return put({ kind: "ttl", ttl: ttl() });
    return change();
  };
}
