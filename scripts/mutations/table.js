/**
 * Planted bugs: one small, wrong change to the compiled house each, as people have
 * made them. The simulator must find every one (scripts/mutations/run.js); a text
 * that is no longer found, or found twice, is an error, so the table cannot rot.
 *
 *   [name, file below dist/src, text, what stands in its place]
 */
export const MUTATIONS = [
  // Election and the hard state (Raft §5.2, §5.4.1)
  [
    "vote erased by a message of the same term",
    "raft/state.js",
    "if (term > currentTerm(state))\n        state.outbox.setHardState({ term, vote: undefined });",
    "state.outbox.setHardState({ term, vote: undefined });",
  ],
  [
    "a second vote in a term",
    "raft/election.js",
    "(vote === undefined || vote === message.from)",
    "true",
  ],
  [
    "votes for a log that is behind",
    "raft/election.js",
    "return candidate.lastLogIndex >= lastIndex;",
    "return true;",
  ],
  [
    "votes for an earlier last term",
    "raft/election.js",
    "return candidate.lastLogTerm > lastTerm;",
    "return true;",
  ],
  [
    "a refusal is counted as a vote",
    "raft/election.js",
    "state.role.votes.set(message.from, message.granted);\n    countVotes(state);",
    "state.role.votes.set(message.from, true);\n    countVotes(state);",
  ],
  [
    "half of the voters is a majority",
    "raft/quorum.js",
    "return Math.floor(voterCount / 2) + 1;",
    "return Math.ceil(voterCount / 2);",
  ],
  [
    "term and vote are not synced",
    "storage/hard-state.js",
    "            file.datasync();",
    "            ;",
  ],
  [
    "a term is not raised for a campaign",
    "raft/state.js",
    "const hardState = { term: Term(currentTerm(state) + 1), vote: state.id };",
    "const hardState = { term: currentTerm(state), vote: state.id };",
  ],
  ["a leader opens its term with nothing", "raft/election.js", "appendNoop(state, leader);", ";"],
  // Replication and commit (§5.3, §5.4.2)
  [
    "commit with one follower",
    "raft/replication.js",
    "const index = majorityValue(matchIndexes);",
    "const index = LogIndex(Math.max(...matchIndexes));",
  ],
  [
    "the own log counts before it is flushed",
    "raft/replication.js",
    "return state.log.flushedIndex;",
    "return state.log.lastIndex;",
  ],
  [
    "a follower acknowledges before its flush",
    "raft/outbox.js",
    "if (this.isHardStateFlushed && index <= flushedIndex)",
    "if (this.isHardStateFlushed)",
  ],
  [
    "held acknowledgements leave with any flush",
    "raft/outbox.js",
    "if (held.index <= flushedIndex)",
    "if (true)",
  ],
  [
    "a follower commits beyond what it verified",
    "raft/replication.js",
    "LogIndex(Math.min(message.leaderCommit, verifiedIndex))",
    "LogIndex(Math.min(message.leaderCommit, log.lastIndex))",
  ],
  [
    "a heartbeat tells a commit index beyond the match",
    "raft/heartbeat.js",
    "return LogIndex(Math.min(state.commitIndex, progress.matchIndex));",
    "return state.commitIndex;",
  ],
  [
    "the entry before is not compared",
    "raft/replication.js",
    "const agrees = prevLogIndex <= log.lastIndex && log.term(prevLogIndex) === prevLogTerm;",
    "const agrees = prevLogIndex <= log.lastIndex;",
  ],
  [
    "a follower commits all that it has verified",
    "raft/replication.js",
    "commitTo(state, LogIndex(Math.min(message.leaderCommit, verifiedIndex)));",
    "commitTo(state, verifiedIndex);",
  ],
  [
    "a follower confirms its whole log, not what it verified",
    "raft/replication.js",
    "matchIndex: verifiedIndex,",
    "matchIndex: log.lastIndex,",
  ],
  [
    "a conflicting suffix is kept",
    "raft/replication.js",
    "if (log.term(entry.index) === entry.term) {",
    "if (true) {",
  ],
  [
    "a matching suffix is dropped",
    "raft/replication.js",
    "if (log.term(entry.index) === entry.term) {",
    "if (false) {",
  ],
  [
    "a match runs ahead of what was confirmed",
    "raft/progress.js",
    "this.#matchIndex = matchIndex;\n        let done",
    "this.#matchIndex = LogIndex(this.#nextIndex - 1);\n        let done",
  ],
  // Reads (§8, thesis §6.4)
  [
    "a read before an entry of the own term is committed",
    "raft/read-index.js",
    "return state.log.term(state.commitIndex) === currentTerm(state);",
    "return true;",
  ],
  [
    "a read is served before its index is applied",
    "node/reads.js",
    "this.#indexed = groups.filter(({ index }) => index > appliedIndex);\n        for (const { index, reads } of groups) {\n            if (index > appliedIndex)\n                continue;",
    "this.#indexed = [];\n        for (const { reads } of groups) {",
  ],
  // Members (§6, thesis §4)
  [
    "learners are counted",
    "raft/membership.js",
    "return this.configuration.voters;",
    "return [...this.configuration.voters, ...this.configuration.learners];",
  ],
  [
    "a configuration is not undone with its entry",
    "raft/membership.js",
    "this.#versions.pop();",
    "break;",
  ],
  [
    "a snapshot's configuration is not taken over",
    "raft/install-snapshot.js",
    "state.membership.reset(snapshot.configuration, snapshot.configurationIndex);",
    ";",
  ],
  [
    "after a restart the founders are the members",
    "node/assembly.js",
    "configuration: restored?.configuration ?? foundingConfiguration(settings),",
    "configuration: foundingConfiguration(settings),",
  ],
  [
    "a wiped disk's vote counts",
    "raft/membership.js",
    "return !this.isGone(id, commitIndex) && this.isGenuine(id);",
    "return !this.isGone(id, commitIndex);",
  ],
  // Snapshots and compaction (§7)
  [
    "the log is compacted beyond the snapshots",
    "node/snapshots.js",
    "log.compactTo(LogIndex(Math.max(0, Math.min(older.index, needed))));",
    "log.compactTo(LogIndex(raft.lastIndex));",
  ],
  [
    "a snapshot says an index too early",
    "node/snapshots.js",
    "        index,\n        term,\n        checksum,\n        revision",
    "        index: LogIndex(index - 1),\n        term,\n        checksum,\n        revision",
  ],
  [
    "the log is not reset behind an installed snapshot",
    "node/snapshots.js",
    'if (verdict === "log-reset")\n                log.reset(head);',
    "",
  ],
  [
    "rows are missing from a snapshot",
    "node/snapshots.js",
    "writer.add(row);",
    "this.added = (this.added ?? 0) + 1;\n                if (this.added % 10 > 0) writer.add(row);",
  ],
  [
    "a follower below the log is probed for ever",
    "raft/replication.js",
    "LogIndex(isCompacted ? log.firstIndex - 1 : meeting + 1)",
    "LogIndex(meeting + 1)",
  ],
  // Storage
  [
    "the log's flush does nothing",
    "storage/open-segment.js",
    "this.file.datasync();\n        this.#syncedSlot",
    "this.#syncedSlot",
  ],
  [
    "the directory is not synced with a new segment",
    "storage/segment-chain.js",
    "            this.#directory.sync();\n            return installed;",
    "            return installed;",
  ],
  [
    "a truncation leaves the file as it was",
    "storage/segment-chain.js",
    "this.#openSegment().cut(end);",
    ";",
  ],
  // The driver, and what clients are told
  [
    "an outcome is told whatever term was committed",
    "node/requests.js",
    "if (placement.term !== term)",
    'if (placement.term !== term) settle(write, undefined, { kind: "applied", revision: 1, results: [] }); else if (false)',
  ],
  [
    "a forwarded write is given up for dead too early",
    "node/requests.js",
    "if (forwarded.term >= term)",
    "if (forwarded.term > term)",
  ],
  [
    "a request is applied twice",
    "node/driver.js",
    'result = store.apply(request, time, write?.needs === "result" ? "result" : "nothing");',
    'store.apply(request, time); result = store.apply(request, time, "result");',
  ],
  [
    "a client is told the outcome of its neighbour",
    "node/requests.js",
    "const result = results[placement.position + i];",
    "const result = results[0];",
  ],
  [
    "a local clock reaches the fold",
    "node/driver.js",
    "const { row, time } = cursor;",
    "const { row } = cursor, time = Math.floor(this.#parts.clock.wallTime());",
  ],
  // Transactions and sessions
  [
    "what a transaction has read is not validated",
    "store/transaction.js",
    "if (keys.size === 0 && ranges.length === 0)",
    "if (true)",
  ],
  [
    "a transaction reads the present",
    "store/staged-view.js",
    "return map.at(key, readRevision);",
    "return map.at(key, map.revision);",
  ],
  [
    "a savepoint keeps what came after it",
    "store/transaction.js",
    "transaction.commands = transaction.commands.slice(0, count);",
    "",
  ],
  [
    "what a request has read is not compared",
    "store/store.js",
    'if (conflicts.length > 0)\n                return { conflicts, ...rejected(this.#state, "conflict") };',
    "",
  ],
  ["a session forgets its answers", "store/session.js", "session.answers.set(sequence, kept);", ""],
  // Disks without room, nodes that are lost for ever
  [
    "what found no room counts as written",
    "node/persistence.js",
    "raft.notWritten(isTruncated ? written : (truncateFrom ?? written), isTruncated);",
    "",
  ],
  [
    "a leader that nobody answers goes on",
    "raft/heartbeat.js",
    "if (!hasQuorumContact(state, leader)) {",
    "if (false) {",
  ],
  [
    "a leader whose disk is full goes on",
    "raft/heartbeat.js",
    "const isOutrun = isDiskStalled(state, leader) && state.commitIndex > state.log.flushedIndex;",
    "const isOutrun = false;",
  ],
  // Redis clients
  [
    "EXEC does not ask whether what is watched has changed",
    "doors/resp/exec-steps.js",
    "const reads = watched?.reads ?? [];",
    "const reads = [];",
  ],
  [
    "a reply does not wait for the one before it",
    "doors/resp/pipeline.js",
    "if (slot.error === undefined && slot.result === undefined)\n                return;",
    'if (slot.error === undefined && slot.result === undefined) { this.#options.reply.simple("OK"); this.#leaveFirst(); continue; }',
  ],
  [
    "an overtaken write goes back to the queue",
    "node/write-order.js",
    "if (place !== this.#taken)",
    "if (false)",
  ],
  [
    "a read overtakes the writes before it",
    "doors/resp/pipeline.js",
    "if (this.#writesUnderWay > 0)\n                    return;\n                this.#drain();",
    "this.#drain();",
  ],
  [
    "the door forgets a command that came in two pieces",
    "doors/resp/parser.js",
    "this.#bytes = this.#later.takeBehind(this.#bytes.subarray(this.#at));",
    "this.#bytes = this.#later.takeBehind(EMPTY);",
  ],
  // Watches
  [
    "a watch that waits passes over a change",
    "client/query.js",
    "wait(page.nextRevision);",
    "wait(page.nextRevision + 1);",
  ],
  [
    "a watch looks on behind the change that woke it",
    "node/change-waits.js",
    "due.set(waiter, revision);",
    "due.set(waiter, revision + 1);",
  ],
  [
    "a page of changes ends amid a revision",
    "store/read.js",
    "if (full && last !== undefined && last.revision !== nextRevision) {",
    "if (full && last !== undefined) {",
  ],
  [
    "a watch is told twice where a page ends",
    "store/read.js",
    "return { changes, nextRevision, more: true };",
    "return { changes, nextRevision: last.revision, more: true };",
  ],
  [
    "a key that comes back is told as it was before its deletion",
    "store/read.js",
    "previous: records.isRecord(before) ? records.keyValueOf(before, key) : undefined,",
    "previous: before !== 0 && records.isTombstone(before) ? records.keyValueOf(records.olderOf(before), key) : records.isRecord(before) ? records.keyValueOf(before, key) : undefined,",
  ],
  // Leases and keys that end by themselves
  [
    "a clock that is ahead takes all of it off the leases",
    "store/log-clock.js",
    "this.runTime + Math.min(Math.max(stamp - this.stamp, 0), STEP_MAX)",
    "this.runTime + Math.max(stamp - this.stamp, 0)",
  ],
  [
    "a lease that was kept ends as if it were not",
    "store/control.js",
    "leases.keep(lease, clock.runTime);",
    "",
  ],
  [
    "a key that was put anew ends with its old lease",
    "store/lease.js",
    "left.keys.delete(text);",
    "",
  ],
  ["what has run out is not ended", "node/upkeep.js", "if (!store.mayBeDue(now))", "if (true)"],
  [
    "a snapshot gives leases their whole time anew",
    "store/state-restore.js",
    "leases.restore(row.lease, row.version, row.modRevision);",
    "leases.restore(row.lease, row.version, clock.runTime + row.version);",
  ],
  // The state machine
  [
    "the door says not applied of what nobody knows",
    "doors/native/native-door.js",
    "const { code, message, outcome } = error;",
    'const { code, message } = error; const outcome = "not-applied";',
  ],
  [
    "a condition is judged the wrong way round",
    "store/compare.js",
    '(map.findKey(key) === 0) === (condition === "absent")',
    '(map.findKey(key) === 0) !== (condition === "absent")',
  ],
  // What the judge looks for of itself
  [
    "a follower is told that its reads may not be served",
    "raft/read-index.js",
    "state.reads.onAnswer(message.context, message.granted ? message.index : undefined);",
    "state.reads.onAnswer(message.context, undefined);",
  ],
  [
    "a vote is forgotten by a restart",
    "storage/hard-state.js",
    "{ generation, hardState: { term: Term(term), vote: name } }",
    "{ generation, hardState: { term: Term(term), vote: undefined } }",
  ],
  [
    "who would be told that nobody knows is told nothing",
    "node/pending-write.js",
    "    done(error, result);",
    '    if (error?.outcome !== "unknown") done(error, result);',
  ],
];

/**
 * Bugs that the whole house has not shown within a few minutes of lives yet; run
 * with --hard. The tests of their own floors find them (docs/MUTATIONS.md).
 */
export const HARD = [
  [
    "a read is not confirmed by a majority",
    "raft/read-index.js",
    "const round = majorityValue(rounds);",
    "const round = state.reads.lastRound;",
  ],
  [
    "a lease is trusted while leadership is handed over",
    "raft/read-index.js",
    "if (leaseMs === 0 || leader.isLeaseVoid || leader.transfer !== undefined)",
    "if (leaseMs === 0)",
  ],
  [
    "two changes at a time",
    "raft/membership-change.js",
    'if (state.membership.index > state.commitIndex)\n        return "change-under-way";',
    "",
  ],
  [
    "a snapshot drops a matching suffix",
    "raft/install-snapshot.js",
    "const isHeld = log.holds(index) && log.term(index) === term && log.checksum(index) === checksum;",
    "const isHeld = false;",
  ],
  [
    "a damaged block is taken for a good one",
    "codec/block.js",
    "if (checksum !== wanted) {",
    "if (false) {",
  ],
  [
    "forwardings are counted from one by every life",
    "node/forwarding.js",
    "return Math.floor(random() * 2 ** 32) * IDS_PER_LIFE;",
    "return 1;",
  ],
  [
    "what a later leader replaced is put back too late",
    "node/requests.js",
    "const alive = placements.filter((placement) => placement.term >= term);",
    "const alive = placements;",
  ],
];

/**
 * Where to look first: bugs that need a rare meeting of faults are hunted in lives
 * that have them (SimulationOptions.emphasis and nodeCount). All others in lives as
 * the seeds have them.
 */
export const WHERE = {
  "a clock that is ahead takes all of it off the leases": {
    nodeCount: 3,
    emphasis: ["expiry", "crash", "electionCrash"],
  },
  "a lease that was kept ends as if it were not": { emphasis: ["expiry"] },
  "a key that was put anew ends with its old lease": { emphasis: ["expiry"] },
  "a snapshot gives leases their whole time anew": {
    nodeCount: 3,
    emphasis: ["expiry", "snapshots", "crash"],
  },
  "a transaction reads the present": { nodeCount: 3, emphasis: ["lookers", "busy"] },
  "a watch that waits passes over a change": { emphasis: ["watches"] },
  "a page of changes ends amid a revision": { emphasis: ["watches"] },
  "a watch is told twice where a page ends": { emphasis: ["watches"] },
  "a key that comes back is told as it was before its deletion": { emphasis: ["watches"] },
  "EXEC does not ask whether what is watched has changed": { emphasis: ["resp"] },
  "a reply does not wait for the one before it": { emphasis: ["resp"] },
  "a read overtakes the writes before it": { emphasis: ["resp"] },
  "an overtaken write goes back to the queue": { emphasis: ["resp"] },
  "votes for an earlier last term": { nodeCount: 5, emphasis: ["electionCrash", "dense", "crash"] },
  "term and vote are not synced": { nodeCount: 3, emphasis: ["electionCrash", "dense", "power"] },
  "a read is not confirmed by a majority": {
    nodeCount: 3,
    emphasis: ["administration", "dense", "contention", "loss"],
  },
  "a lease is trusted while leadership is handed over": {
    nodeCount: 3,
    emphasis: ["leases", "administration", "dense", "contention", "loss"],
  },
  "two changes at a time": { nodeCount: 5, emphasis: ["administration", "partition", "dense"] },
  "a configuration is not undone with its entry": {
    nodeCount: 5,
    emphasis: ["administration", "partition", "dense"],
  },
  "a snapshot drops a matching suffix": {
    nodeCount: 3,
    emphasis: ["snapshots", "slowDisk", "partition", "dense", "crash"],
  },
  "a snapshot's configuration is not taken over": {
    nodeCount: 3,
    emphasis: ["snapshots", "administration", "partition", "crash", "busy"],
  },
  "a follower commits beyond what it verified": {
    nodeCount: 5,
    emphasis: ["partition", "dense", "loss"],
  },
  "a heartbeat tells a commit index beyond the match": {
    nodeCount: 5,
    emphasis: ["partition", "dense", "loss"],
  },
  "the entry before is not compared": { nodeCount: 5, emphasis: ["partition", "dense", "loss"] },
  "what found no room counts as written": { emphasis: ["fullDisk", "dense"] },
  "a leader whose disk is full goes on": { nodeCount: 3, emphasis: ["fullDisk"] },
  "a wiped disk's vote counts": { nodeCount: 3, emphasis: ["wipe", "crash", "dense"] },
};
