import type { Message } from "../../src/raft/message.js";

/** One line, for failures and scenario traces. */
export function describeMessage(message: Message): string {
  const { kind, term } = message;
  switch (message.kind) {
    case "preVote":
    case "requestVote":
      return `${kind} term ${term} last ${message.lastLogIndex}/${message.lastLogTerm}`;
    case "preVoteResult":
    case "requestVoteResult":
      return `${kind} term ${term} ${message.granted ? "granted" : "refused"}`;
    case "appendEntries":
      return `${kind} term ${term} prev ${message.prevLogIndex}/${message.prevLogTerm} entries ${message.entries.length} commit ${message.leaderCommit}`;
    case "appendEntriesResult":
      return message.success
        ? `${kind} term ${term} match ${message.matchIndex}`
        : `${kind} term ${term} refused ${message.prevLogIndex} hint ${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `${kind} term ${term} commit ${message.commitIndex} round ${message.readRound}`;
    case "heartbeatResult":
      return `${kind} term ${term} round ${message.readRound}`;
    case "readIndex":
      return `${kind} term ${term}`;
    case "readIndexResult":
      return `${kind} term ${term} ${message.granted ? `index ${message.index}` : "refused"}`;
    case "timeoutNow":
      return `${kind} term ${term}`;
    case "installSnapshot":
      return `${kind} term ${term} index ${message.snapshot.index} at ${message.offset} of ${message.snapshot.size}`;
    case "installSnapshotResult":
      return `${kind} term ${term} index ${message.index} ${message.isInstalled ? "installed" : `has ${message.offset}`}`;
  }
}
