/**
 * EXEC: what was queued becomes one request of the log, and the replies are made of
 * its results (exec-request.ts). Where that is all, it goes through the pipeline as
 * other writes do; a transaction of reads of single keys, as other reads do. What
 * is watched, reads of more than single keys, and commands that must look before
 * they write take steps of their own (exec-steps.ts).
 */
import { checkRequest } from "../../store/limits.js";
import { local, refuse, requestOf } from "./command.js";
import type {
  CommandContext,
  DecidePlan,
  KeysReadPlan,
  KeyView,
  LocalPlan,
  Plan,
  QueueablePlan,
  StepsPlan,
  WritePlan,
} from "./command.js";
import { errorText } from "./error-text.js";
import { answerElement, compose, discardedText, isSettled } from "./exec-request.js";
import type { Element, SettledPlan } from "./exec-request.js";
import { runSteps } from "./exec-steps.js";
import type { StepsOptions } from "./exec-steps.js";
import type { ReplyWriter } from "./reply.js";
import type { Session } from "./session.js";
import type { WatchSet } from "./watch-set.js";

/** @param watched undefined when nothing is */
export function planExec(
  plans: readonly QueueablePlan[],
  watched: WatchSet | undefined,
  context: CommandContext,
): Plan {
  const settled = plans.filter(isSettled);
  if (watched === undefined && settled.length === plans.length) {
    const simple = planSimply(settled, context);
    if (simple !== undefined) return simple;
  }
  return steps({ plans, watched, context, form: "transaction" });
}

/** A command of its own that must look before it writes. */
export function planDecide(plan: DecidePlan, context: CommandContext): StepsPlan {
  return steps({ plans: [plan], watched: undefined, context, form: "single" });
}

function steps(options: StepsOptions): StepsPlan {
  return {
    kind: "steps",
    begin: (run) => {
      runSteps(options, run);
    },
  };
}

/** As a plan that goes with others through the pipeline; undefined when it needs steps. */
function planSimply(plans: readonly SettledPlan[], { service }: CommandContext): Plan | undefined {
  if (plans.some((plan) => plan.kind === "read" && plan.keys === "all")) return undefined;
  const { commands, elements } = compose(plans, service.limits);
  if (commands.length === 0) return planLooking(elements);
  const plan: WritePlan = {
    kind: "write",
    commands,
    mode: "each",
    answer: (reply, result, session) => {
      if (result.kind === "rejected") {
        reply.error(`ERR the transaction was refused: ${result.reason}`);
        return;
      }
      reply.array(elements.length);
      for (const element of elements) answerElement(element, result, reply, session);
    },
  };
  const error = checkRequest(requestOf(plan), service.limits);
  return error === undefined ? plan : refuse(discardedText(errorText(error)));
}

/** Nothing is written: one look serves all, and without reads none is needed. */
function planLooking(elements: readonly Element[]): LocalPlan | KeysReadPlan {
  const keys = elements.flatMap(({ plan }) => {
    return plan.kind === "read" && plan.keys !== "all" ? plan.keys : [];
  });
  const answer = (reply: ReplyWriter, session: Session, view: KeyView | undefined): void => {
    reply.array(elements.length);
    for (const { plan } of elements) {
      if (plan.kind === "local") plan.run(reply, session);
      else if (plan.kind === "read" && plan.keys !== "all" && view !== undefined) {
        plan.serve(reply, view, session);
      }
    }
  };
  if (keys.length === 0) {
    return local((reply, session) => {
      answer(reply, session, undefined);
    });
  }
  return {
    kind: "read",
    keys,
    serve: (reply, view, session) => {
      answer(reply, session, view);
      return "done";
    },
  };
}
