/**
 * The request that a transaction becomes: the commands of all that was queued, one
 * behind the other, and which part of its result is whose.
 *
 * It runs in the mode "each": what one command refuses is told in its place, and
 * the others go on. Reads of single keys are commands of it too, so that they see
 * what stands before them and nothing else.
 */
import { assert } from "../../assert.js";
import { checkRequest } from "../../store/limits.js";
import type { KeyCommand, Limits, RequestResult } from "../../store/command.js";
import { refuse, requestOf } from "./command.js";
import type { LocalPlan, QueueablePlan, ReadPlan, WritePlan } from "./command.js";
import { errorText } from "./error-text.js";
import { FoundView } from "./exec-view.js";
import type { ReplyWriter } from "./reply.js";
import type { Session } from "./session.js";

/** One queued command within the request. */
export interface Element {
  readonly plan: SettledPlan;
  /** its commands among those of the request */
  readonly from: number;
  readonly count: number;
}

export type SettledPlan = LocalPlan | WritePlan | ReadPlan;

export interface Composition {
  /** none when nothing is to be written: then the reads are served by a look */
  readonly commands: readonly KeyCommand[];
  readonly elements: readonly Element[];
}

export type Applied = Extract<RequestResult, { kind: "applied" }>;

/** Whether a plan needs no look before it is composed with others. */
export function isSettled(plan: QueueablePlan): plan is SettledPlan {
  return plan.kind !== "decide" && !(plan.kind === "write" && plan.amongOthers !== undefined);
}

/** @param text an error of the code ERR */
export function discardedText(text: string): string {
  return `EXECABORT Transaction discarded because of: ${text.replace(/^ERR /, "")}`;
}

/** Lays out the commands of all plans one behind the other. What is over a limit is refused in its place. */
export function compose(plans: readonly SettledPlan[], limits: Limits): Composition {
  const checked = plans.map((plan) => withinLimits(plan, limits));
  if (!checked.some((plan) => plan.kind === "write" && plan.commands.length > 0)) {
    return { commands: [], elements: checked.map((plan) => ({ plan, from: 0, count: 0 })) };
  }
  const commands: KeyCommand[] = [];
  const elements = checked.map((plan) => {
    const from = commands.length;
    if (plan.kind === "write") commands.push(...plan.commands);
    else if (plan.kind === "read") commands.push(...lookups(plan, limits));
    return { plan, from, count: commands.length - from };
  });
  return { commands, elements };
}

/** What a limit forbids becomes an error in its place. */
export function withinLimits(plan: SettledPlan, limits: Limits): SettledPlan {
  if (plan.kind !== "write" || plan.commands.length === 0) return plan;
  const error = checkRequest(requestOf(plan), limits);
  return error === undefined ? plan : refuse(errorText(error));
}

/** What makes a read's view. A key that cannot be is absent without asking. */
function lookups({ keys }: ReadPlan, limits: Limits): readonly KeyCommand[] {
  if (keys === "all") return [];
  return keys.filter((key) => canBe(key, limits)).map((key) => ({ kind: "get", key }));
}

/** Whether there may be such a key. */
export function canBe(key: Uint8Array, limits: Limits): boolean {
  return key.length > 0 && key.length <= limits.keySizeMax;
}

/** What the request did for one of its elements, as if that had been a request of its own. */
function resultOf({ from, count }: Element, whole: Applied): RequestResult {
  const results = whole.results.slice(from, from + count);
  const { revision } = whole;
  for (const [commandIndex, { detail, previous }] of results.entries()) {
    if (detail?.kind !== "refused") continue;
    return {
      kind: "rejected",
      reason: detail.reason,
      commandIndex,
      revision,
      current: previous,
    };
  }
  return { kind: "applied", revision, results };
}

/** Writes the reply of one element from the request's result; a read is one of single keys. */
export function answerElement(
  element: Element,
  whole: Applied,
  reply: ReplyWriter,
  session: Session,
): void {
  const { plan, from, count } = element;
  if (plan.kind === "local") {
    plan.run(reply, session);
  } else if (plan.kind === "write") {
    plan.answer(reply, resultOf(element, whole), session);
  } else {
    assert(plan.keys !== "all", "what looks at all keys is not answered from a result");
    plan.serve(reply, new FoundView(whole.results.slice(from, from + count)), session);
  }
}
