/**
 * A process for the lock tests: opens the data directory given as its argument,
 * prints what came of it as a line of JSON, and stays until it is told to close.
 */
import { NodeId } from "../../src/raft/types.js";
import { DatabaseError } from "../../src/errors.js";
import { openDataDirectory } from "../../src/storage/data-directory.js";
import { CLUSTER_ID } from "./entries.js";

const [path = "", nodeId = "holder"] = process.argv.slice(2);

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

try {
  const directory = await openDataDirectory({
    path,
    nodeId: NodeId(nodeId),
    clusterId: CLUSTER_ID,
    onCompromised: (error) => {
      say({ compromised: error.message });
    },
  });
  say({ held: directory.identity });
  process.stdin.resume();
  process.stdin.once("end", () => {
    void directory.close().then(() => {
      say({ closed: true });
    });
  });
} catch (error) {
  if (!(error instanceof DatabaseError)) throw error;
  say({ code: error.code, message: error.message });
}
