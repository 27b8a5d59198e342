/**
 * Administration: changes of members and hand-overs, asked of any node.
 *
 * The leader does them; another node asks it. What is refused only for the moment
 * (another change under way, a learner still behind) is tried again with every
 * tick until the caller's time is up, and then refused with that reason.
 */
import type { AdminAction } from "../codec/admin-action.js";
import { hasRoomFor } from "../codec/configuration.js";
import type { Administer, Administered } from "../codec/peer-message.js";
import { DatabaseError, type ErrorCode } from "../errors.js";
import type { ChangeRefusal, TransferRefusal } from "../raft/ready.js";
import type { Raft } from "../raft/raft.js";
import type { LogIndex, NodeId, Term } from "../raft/types.js";
import { isDialable } from "../transport/address.js";
import type { Transport } from "../transport/transport.js";
import type { Clock } from "./clock.js";
import type { Members } from "./members.js";
import type { AdminDone } from "./service.js";

export interface AdministrationParts {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly members: Members;
  /** Has the driver look at what was proposed. */
  readonly onProposed: () => void;
}

type Refusal = ChangeRefusal | TransferRefusal | "no-room";

/** Where an action is on its way. */
type Stage =
  /** not accepted by anybody yet */
  | { readonly kind: "waiting"; refusal: Refusal | undefined }
  /** its entry stands in our log */
  | { readonly kind: "placed"; readonly index: LogIndex; readonly term: Term }
  | { readonly kind: "handing-over" }
  /** asked of the leader */
  | { readonly kind: "asked"; readonly id: number };

interface Pending {
  readonly action: AdminAction;
  readonly deadline: number;
  readonly done: AdminDone;
  stage: Stage;
  /** another node was told to take over: whatever comes of it here, it may still do so */
  mayHandOver: boolean;
}

const TRANSIENT: ReadonlySet<Refusal> = new Set<Refusal>([
  "change-under-way",
  "transfer-under-way",
  "term-not-opened",
  "behind",
  "wiped",
  "not-heard-yet",
]);

const WHY: Readonly<Record<Refusal, string>> = {
  "change-under-way": "another change of members is not committed yet",
  "transfer-under-way": "leadership is being handed over",
  "term-not-opened": "the leader has not committed an entry of its own term yet",
  "already-member": "it is a member already",
  "already-voter": "it is a voter already",
  "not-a-member": "it is no member: see `balsa cluster status`",
  "id-was-used": "a member of this id was removed, and ids are never used twice: choose a new id",
  "address-in-use": "a member has this address",
  "no-room":
    "too many members were added and removed in this cluster's life (their ids are kept for ever, 32 KiB of them): save a snapshot and restore it as a new cluster",
  behind: "it is still behind: its last round of catching up took longer than an election timeout",
  "not-alive": "it does not answer the leader: start it first",
  wiped: "it came back with an empty disk and is being made a learner",
  "not-heard-yet": "those whom it would need have not answered the leader yet",
  "quorum-not-alive": "the majority that would be needed afterwards is not alive",
  "last-voter": "it is the only voter",
  "leads-already": "it is the leader already",
  "not-a-voter": "only a voter can lead",
  "nobody-alive": "no other voter answers the leader",
};

export class Administration {
  readonly #parts: AdministrationParts;
  #pending: Pending[] = [];
  #nextId = 1;

  constructor(parts: AdministrationParts) {
    this.#parts = parts;
  }

  execute(action: AdminAction, timeoutMs: number, done: AdminDone): void {
    // Once it stands in the log, every member would have to live with it.
    if (action.kind === "add" && !isDialable(action.address)) {
      done(noAddress(action), undefined);
      return;
    }
    const deadline = this.#parts.clock.now() + timeoutMs;
    const stage: Stage = { kind: "waiting", refusal: undefined };
    this.#pending.push({ action, deadline, done, stage, mayHandOver: false });
    this.look();
  }

  /** Takes everything a step on; called with every tick. */
  look(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const one of pending) if (!this.#advance(one)) this.#pending.push(one);
  }

  /** A node that does not lead passes on what its client asked. */
  onAdminister(message: Administer): void {
    const { transport, id, raft } = this.#parts;
    const answer = (code: ErrorCode | "", text: string, index: number): void => {
      const kind = "administered";
      transport.send(message.from, { kind, from: id, id: message.id, code, text, index });
      transport.flush();
    };
    if (raft.role !== "leader") {
      answer("NO_LEADER", "this node does not lead", 0);
      return;
    }
    this.execute(message.action, message.timeoutMs, (error, result) => {
      if (result === undefined) answer(error?.code ?? "PROTOCOL", error?.message ?? "", 0);
      else answer("", "", result.index);
    });
  }

  onAdministered(message: Administered): void {
    const one = this.#pending.find(
      ({ stage }) => stage.kind === "asked" && stage.id === message.id,
    );
    if (one === undefined) return;
    if (message.code === "NO_LEADER") {
      one.stage = { kind: "waiting", refusal: undefined };
      return;
    }
    this.#pending = this.#pending.filter((other) => other !== one);
    if (message.code === "") one.done(undefined, { index: message.index });
    else one.done(new DatabaseError(message.code, message.text), undefined);
  }

  close(): void {
    for (const { done, stage, mayHandOver } of this.#pending.splice(0)) {
      const isUntouched = stage.kind === "waiting" && !mayHandOver;
      const code = isUntouched ? "CLOSED" : "OUTCOME_UNKNOWN";
      done(new DatabaseError(code, "the node is stopping"), undefined);
    }
  }

  /** @returns whether it is settled */
  #advance(one: Pending): boolean {
    const { raft, id } = this.#parts;
    if (one.stage.kind === "waiting") this.#attempt(one, one.stage);
    const { action, done, stage } = one;
    switch (stage.kind) {
      case "placed":
        if (this.#isPlacedSettled(one, stage.index, stage.term)) return true;
        break;
      case "handing-over":
        if (this.#isHandedOver(one)) return true;
        break;
      case "waiting":
        if (stage.refusal !== undefined && !TRANSIENT.has(stage.refusal)) {
          one.done(failure(one), undefined);
          return true;
        }
        break;
      case "asked":
        // The leader says so too, but does not speak to a node that is gone.
        if (action.kind !== "remove" || action.id !== id || !raft.isRemoved) break;
        done(undefined, { index: raft.configurationAt(raft.commitIndex).index });
        return true;
    }
    if (this.#parts.clock.now() < one.deadline) return false;
    one.done(failure(one), undefined);
    return true;
  }

  #attempt(one: Pending, stage: Extract<Stage, { kind: "waiting" }>): void {
    const { raft, transport, id } = this.#parts;
    const { leader } = raft;
    if (leader === undefined) return;
    if (leader !== id && one.mayHandOver) {
      // It came of the attempt that was given up here.
      one.stage = { kind: "handing-over" };
      return;
    }
    if (leader !== id) {
      const asked = this.#nextId;
      this.#nextId += 1;
      const timeoutMs = Math.max(1, Math.floor(one.deadline - this.#parts.clock.now()));
      const { action } = one;
      transport.send(leader, { kind: "administer", from: id, id: asked, timeoutMs, action });
      transport.flush();
      one.stage = { kind: "asked", id: asked };
      return;
    }
    const { action } = one;
    if (action.kind === "transfer") {
      const result = raft.transferLeadership(action.id);
      if (result.kind === "started") {
        one.stage = { kind: "handing-over" };
        one.mayHandOver = true;
      } else if (result.kind === "refused") stage.refusal = result.reason;
    } else if (action.kind === "add" && this.#parts.members.isTaken(action.address)) {
      stage.refusal = "address-in-use";
    } else if (
      action.kind === "add" &&
      !hasRoomFor(raft.configuration, action.id, action.address)
    ) {
      stage.refusal = "no-room";
    } else {
      const result = raft.proposeChange(action);
      if (result.kind === "accepted")
        one.stage = { kind: "placed", index: result.index, term: result.term };
      else if (result.kind === "refused") stage.refusal = result.reason;
    }
    this.#parts.onProposed();
  }

  /** The entry at its place was applied: it is ours, or another leader's and ours never was. */
  #isPlacedSettled(one: Pending, index: LogIndex, term: Term): boolean {
    const { raft } = this.#parts;
    // A full disk may have another one's entry there still, or none.
    const found = raft.entryAt(index)?.term;
    if (raft.appliedIndex < index || found === undefined) return false;
    if (found === term) one.done(undefined, { index });
    else
      one.done(
        new DatabaseError("NO_LEADER", "the leader changed: nothing was applied"),
        undefined,
      );
    return true;
  }

  #isHandedOver(one: Pending): boolean {
    const { raft, id } = this.#parts;
    const { leader } = raft;
    if (leader !== undefined && leader !== id) {
      one.done(undefined, { index: raft.lastIndex });
      return true;
    }
    // It came to nothing within an election timeout, and we lead on: try again while there is time.
    if (leader === id && !raft.isTransferring) one.stage = { kind: "waiting", refusal: undefined };
    return false;
  }
}

function refused(action: AdminAction, refusal: Refusal): DatabaseError {
  return new DatabaseError("CHANGE_REFUSED", `${described(action)} is refused: ${WHY[refusal]}`);
}

function noAddress({ id, address }: Extract<AdminAction, { kind: "add" }>): DatabaseError {
  return new DatabaseError(
    "INVALID_ARGUMENT",
    `adding ${id} is refused: "${address.slice(0, 300)}" is no address that the members can call: ` +
      "write host:port, as in 10.0.0.4:13141",
  );
}

/** Why it is given up at this stage; never more than is proved. */
function failure({ action, stage, mayHandOver }: Pending): DatabaseError {
  if (stage.kind === "waiting" && !mayHandOver) {
    if (stage.refusal !== undefined) return refused(action, stage.refusal);
    return new DatabaseError("NO_LEADER", "no leader is known: nothing was changed, try again");
  }
  return new DatabaseError(
    "OUTCOME_UNKNOWN",
    `${described(action)} was not confirmed in time: it may or may not be done (\`balsa cluster status\` says)`,
  );
}

function described(action: AdminAction): string {
  switch (action.kind) {
    case "add":
      return `adding ${action.id}`;
    case "promote":
      return `promoting ${action.id}`;
    case "remove":
      return `removing ${action.id}`;
    case "transfer":
      return action.id === undefined ? "handing over" : `handing over to ${action.id}`;
  }
}
