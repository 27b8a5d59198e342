/**
 * The tests bite: bugs of others (research: thirty bugs, the seed system's
 * faults) planted from outside the core, each found by the observer within a
 * bounded number of lives.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { quorumSize } from "../../src/raft/quorum.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import { altered } from "./cluster.js";
import { simulate } from "./simulation.js";
import type { AppendEntriesResult, Envelope, Message } from "../../src/raft/message.js";
import type { NodeId } from "../../src/raft/types.js";
import type { Cluster, Fault } from "./cluster.js";

/** Alters messages of one kind. */
function onKind<K extends Message["kind"]>(
  kind: K,
  alter: (message: Extract<Message, { kind: K }>, to: NodeId, cluster: Cluster) => Message,
): Fault {
  return {
    deliver: (envelope: Envelope, cluster) => {
      const { to, message } = envelope;
      if (!isKind(message, kind)) return envelope;
      return { to, message: alter(message, to, cluster) };
    },
  };
}

function isKind<K extends Message["kind"]>(
  message: Message,
  kind: K,
): message is Extract<Message, { kind: K }> {
  return message.kind === kind;
}

/** What a majority of the voters holds in the leader's eyes, whatever its term. */
function countedWithoutTerm(cluster: Cluster, leader: NodeId): LogIndex | undefined {
  const status = cluster.node(leader).raft?.status();
  if (status?.role !== "leader") return undefined;
  const matches = [status.flushedIndex, ...status.peers.map((peer) => peer.matchIndex)];
  return matches.toSorted((a, b) => b - a)[quorumSize(matches.length) - 1];
}

/** Per life, the greatest match that each follower has ever claimed. */
const greatestResults = new WeakMap<Cluster, Map<NodeId, AppendEntriesResult>>();

const bugs: readonly { readonly name: string; readonly fault: Fault; readonly found: RegExp }[] = [
  {
    name: "an append is acknowledged before it is flushed",
    fault: { acknowledgeAtOnce: true },
    found: /flushed/,
  },
  {
    name: "a completion of an older flush vouches for newer entries (append ABA)",
    fault: { acknowledgeNewest: true },
    found: /flushed/,
  },
  {
    name: "a vote is forgotten in a restart",
    fault: {
      restart: (disk) => {
        disk.forget({ ...disk.durableHardState, vote: undefined }, 0);
      },
    },
    found: /one vote a term|at most one leader/,
  },
  {
    name: "term and vote are forgotten in a restart",
    fault: {
      restart: (disk) => {
        disk.forget({ term: Term(0), vote: undefined }, 0);
      },
    },
    found: /one vote a term|at most one leader|term/,
  },
  {
    name: "the last entry is lost in a restart",
    fault: {
      restart: (disk) => {
        disk.forget(disk.durableHardState, 1);
      },
    },
    found: /flushed|Leader Completeness|diverge/,
  },
  {
    name: "a candidate's log is not compared",
    fault: {
      deliver: ({ to, message }) => {
        if (message.kind !== "requestVote" && message.kind !== "preVote") return { to, message };
        const { term } = message;
        return { to, message: { ...message, lastLogTerm: term, lastLogIndex: LogIndex(1e6) } };
      },
    },
    found: /Leader Completeness|diverge/,
  },
  {
    name: "a vote is granted again to another candidate of the term",
    fault: onKind("requestVoteResult", (message) => altered(message, { granted: true })),
    found: /Election Safety|Leader Completeness|only the leader|votes of a majority/,
  },
  {
    name: "votes are not told apart by their sender",
    fault: {
      deliver: (envelope, cluster) => {
        const { to, message } = envelope;
        if (message.kind !== "requestVoteResult" || !message.granted) return envelope;
        // The same vote arrives from somebody else too.
        for (const { id } of cluster.nodes) {
          if (id !== to) cluster.node(to).raft?.step(altered(message, { from: id }));
        }
        return envelope;
      },
    },
    found: /Election Safety|Leader Completeness|votes of a majority/,
  },
  {
    name: "the consistency check passes always",
    fault: onKind("appendEntries", (message, to, cluster) => {
      const { disk } = cluster.node(to);
      const prevLogIndex = LogIndex(Math.min(message.prevLogIndex, disk.lastIndex));
      if (prevLogIndex !== message.prevLogIndex) return message;
      return altered(message, {
        prevLogTerm: disk.term(prevLogIndex),
        prevLogChecksum: disk.checksum(prevLogIndex),
      });
    }),
    found: /Log Matching|match is flushed|State Machine Safety|diverge/,
  },
  {
    name: "old entries are committed by counting (Fig. 8)",
    fault: onKind("heartbeat", (message, to, cluster) => {
      const counted = countedWithoutTerm(cluster, message.from) ?? message.commitIndex;
      const match = cluster
        .node(message.from)
        .raft?.status()
        .peers.find((peer) => peer.id === to);
      const commitIndex = LogIndex(Math.min(counted, match?.matchIndex ?? 0));
      return commitIndex > message.commitIndex ? altered(message, { commitIndex }) : message;
    }),
    found: /the leader commits first/,
  },
  {
    name: "a heartbeat's commit index is not bounded by the follower's match",
    fault: onKind("heartbeat", (message, _to, cluster) => {
      const status = cluster.node(message.from).raft?.status();
      if (status?.role !== "leader") return message;
      return altered(message, { commitIndex: status.commitIndex });
    }),
    found: /State Machine Safety|Log Matching|diverge|what is committed stays/,
  },
  {
    name: "a follower commits what it has, not what was verified",
    fault: onKind("appendEntries", (message, to, cluster) => {
      // As if the commit index came with entries up to it: an over-commit of a stale suffix.
      const { disk } = cluster.node(to);
      const from = message.prevLogIndex + message.entries.length;
      const suffix = disk.entries.filter(
        ({ index }) => index > from && index <= message.leaderCommit,
      );
      if (suffix.some((entry) => entry.term > message.term)) return message;
      return altered(message, { entries: [...message.entries, ...suffix] });
    }),
    found: /State Machine Safety|Log Matching|match is flushed|diverge|acknowledged/,
  },
  {
    name: "a leader believes one entry more than was acknowledged",
    fault: onKind("appendEntriesResult", (message) =>
      message.success
        ? altered(message, { matchIndex: LogIndex(message.matchIndex + 1) })
        : message,
    ),
    found: /flushed/,
  },
  {
    name: "a result of an earlier term counts for the leader of today",
    fault: {
      deliver: ({ to, message }, cluster) => {
        if (message.kind !== "appendEntriesResult" || !message.success) return { to, message };
        const greatest = greatestResults.get(cluster) ?? new Map<NodeId, AppendEntriesResult>();
        greatestResults.set(cluster, greatest);
        const earlier = greatest.get(message.from);
        if (earlier === undefined || earlier.matchIndex <= message.matchIndex) {
          greatest.set(message.from, message);
        } else {
          // The network kept it; only its term would tell.
          const late = altered(earlier, { term: message.term });
          cluster.node(to).raft?.step(late);
        }
        return { to, message };
      },
    },
    found: /flushed/,
  },
  {
    name: "a leader answers reads without asking a quorum whether it still leads",
    fault: {
      alterReady: (ready, node) => {
        for (const { to, message } of ready.messages) {
          if (message.kind !== "heartbeat" || message.readRound === 0) continue;
          const { term, readRound } = message;
          const none = LogIndex(0);
          const reported = { lastIndex: none, commitIndex: none, appliedIndex: none };
          node.raft?.step({ kind: "heartbeatResult", from: to, term, readRound, ...reported });
        }
        return ready;
      },
    },
    // It also believes that everybody is alive, and goes on when nobody is.
    found: /a read sees all|a healed cluster (recovers|answers reads)/,
  },
  {
    name: "a follower serves a read one entry before the index it was given",
    fault: onKind("readIndexResult", (message) =>
      message.granted ? altered(message, { index: LogIndex(message.index - 1) }) : message,
    ),
    found: /a read sees all/,
  },
  {
    name: "a truncation never reaches the disk",
    fault: {
      alterReady: (ready, node) => {
        if (ready.truncateFrom === undefined) return ready;
        const entries = ready.entries.filter((entry) => entry.index > node.disk.lastIndex);
        return { ...ready, truncateFrom: undefined, entries };
      },
    },
    found: /Log Matching|flushed|State Machine Safety|Completeness|index/,
  },
  {
    name: "half of an even cluster passes for a majority",
    fault: {
      alterOptions: (options) => {
        const { voters } = options.configuration;
        if (voters.length % 2 === 1 || voters.length < 4) return options;
        // Each sees one voter less: its own half is a majority of the rest.
        const spare = options.id === voters[0] ? voters[1] : voters[0];
        const kept = voters.filter((voter) => voter !== spare);
        return {
          ...options,
          configuration: { voters: kept, learners: spare === undefined ? [] : [spare] },
        };
      },
    },
    found: /flushed on a majority|Election Safety|configuration in force|votes of a majority/,
  },
];

const LIVES_MAX = 400;

describe("raft tests bite", () => {
  for (const { name, fault, found } of bugs) {
    it(`found: ${name}`, () => {
      for (let seed = 1; seed <= LIVES_MAX; seed += 1) {
        try {
          simulate({ seed, duration: 300, fault });
        } catch (error) {
          assert.ok(error instanceof Error);
          assert.match(error.message, found);
          return;
        }
      }
      assert.fail(`not found in ${LIVES_MAX} lives`);
    });
  }
});
