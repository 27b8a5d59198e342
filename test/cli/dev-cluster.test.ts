import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { afterEach, describe, it } from "mocha";
import {
  DevCluster,
  planDevCluster,
  type DevExit,
  type DevNode,
} from "../../src/console/dev-cluster.js";
import { runDevSession } from "../../src/console/dev-session.js";
import { CommandError } from "../../src/console/failure.js";
import type { ClusterStatus } from "../../src/node/service.js";

const fixtures = path.join(import.meta.dirname, "fixtures");
const executable = [process.execPath, path.join(fixtures, "foreground-node.js")];
const two = planDevCluster({ nodes: 2, basePort: 1000, directory: "d" });

/** Not one who ended and waits for somebody to ask how: in a container nobody may. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/^.*\) [ZX] /s.test(readFileSync(stat, "utf8"));
  } catch {
    return false;
  }
}

/** Resolves once the process is gone; the test's own time limit bounds it. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function statusWith(leader: string | null): ClusterStatus {
  return { clusterId: "c", leader, term: 1, nodes: [] };
}

describe("a cluster of child processes", () => {
  const started: DevCluster[] = [];
  afterEach(async () => {
    for (const cluster of started.splice(0)) {
      cluster.kill();
      await cluster.stop();
    }
  });

  function make(nodes: readonly DevNode[]) {
    const lines: string[] = [];
    let onExit: (exit: DevExit) => void = () => undefined;
    const exit = new Promise<DevExit>((resolve) => (onExit = resolve));
    const cluster = new DevCluster(nodes, {
      onLine: (id, line) => lines.push(`${id} | ${line}`),
      onExit,
    });
    started.push(cluster);
    return { cluster, lines, exit };
  }

  it("starts, tells its lines by node, and stops cleanly", async () => {
    const { cluster, lines } = make(two);
    assert.equal(await cluster.start(executable), undefined);
    assert.equal(cluster.aliveCount, 2);
    await cluster.stop();
    assert.equal(cluster.aliveCount, 0);
    for (const id of ["n1", "n2"]) {
      const own = lines.filter((line) => line.startsWith(`${id} | stop`));
      assert.deepEqual(own, [`${id} | stopping: SIGTERM`, `${id} | stopped`]);
    }
    assert.ok(lines.includes("n1 | note: a note"));
    assert.ok(!lines.includes("n1 | ready"));
  });

  it("a child that is killed is reported, once, and stays dead", async () => {
    const { cluster, exit } = make(two);
    await cluster.start(executable);
    process.kill(cluster.pidOf("n2") ?? 0, "SIGKILL");
    const { node, signal, wasReady } = await exit;
    assert.deepEqual([node.id, signal, wasReady], ["n2", "SIGKILL", true]);
    assert.equal(cluster.aliveCount, 1);
    assert.equal(cluster.pidOf("n2"), undefined);
  });

  it("a node that must stop by itself ends with its failure's code", async () => {
    const { cluster, exit, lines } = make(two);
    await cluster.start(executable);
    process.kill(cluster.pidOf("n1") ?? 0, "SIGUSR2");
    assert.equal((await exit).code, 1);
    assert.ok(lines.includes("n1 | Error: the disk is gone"));
  });

  it("a child that cannot start says why, with its own exit code", async () => {
    const [first, second] = two;
    assert.ok(first !== undefined && second !== undefined);
    const words = second.words.map((word) => (word === "n2" ? "bad" : word));
    const { cluster } = make([first, { ...second, words }]);
    const failed = await cluster.start(executable);
    assert.equal(failed?.code, 10);
    assert.equal(failed.lastLine, "Error: d is owned by process 1");
  });

  it("children end when their parent is killed without a word", async () => {
    const parent = spawn(process.execPath, [path.join(fixtures, "dev-parent.js")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pids = line.split(" ").map(Number);
    assert.ok(pids.length === 2 && pids.every(isAlive));
    parent.kill("SIGKILL");
    await Promise.all(pids.map(gone));
  });
});

describe("a session of balsa dev", () => {
  const options = {
    nodes: two,
    executable,
    exec: undefined,
    leaderTimeoutMs: 60_000,
    note: () => undefined,
    onLeader: async () => undefined,
    askStatus: async () => statusWith("n1"),
  };

  for (const { exec, code } of [
    { exec: 'test "$BALSA_ENDPOINTS" = 127.0.0.1:2000,127.0.0.1:2001', code: 0 },
    { exec: "exit 7", code: 7 },
    { exec: "kill -9 $$", code: 137 },
  ]) {
    it(`--exec '${exec}' ends it with ${code}`, async () => {
      assert.equal(await runDevSession({ ...options, exec }), code);
    });
  }

  it("announces the leader only once there is one", async () => {
    let asked = 0;
    const leaders: string[] = [];
    await runDevSession({
      ...options,
      exec: "true",
      askStatus: async () => {
        asked += 1;
        if (asked === 1) throw new Error("refused");
        return statusWith(asked < 4 ? null : "n2");
      },
      onLeader: async ({ leader, endpoints, nodes }) => {
        leaders.push(leader, endpoints);
        assert.ok(nodes.every(({ pid }) => pid !== undefined && isAlive(pid)));
      },
    });
    assert.deepEqual(leaders, ["n2", "127.0.0.1:2000,127.0.0.1:2001"]);
  });

  it("without a leader in time it stops everything and exits 5", async () => {
    const failing = runDevSession({
      ...options,
      leaderTimeoutMs: 1,
      askStatus: async () => statusWith(null),
    });
    await assert.rejects(failing, (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.exitCode, 5);
      return true;
    });
  });

  it("a node that dies is reported with the line that starts it again; the last one ends the session", async () => {
    const notes: string[] = [];
    const code = await runDevSession({
      ...options,
      note: (line) => notes.push(line),
      onLeader: async ({ nodes }) => {
        for (const { pid } of nodes) process.kill(pid ?? 0, "SIGKILL");
      },
    });
    assert.equal(code, 1);
    const report = notes.find((note) => note.startsWith("node n1 was ended by SIGKILL"));
    assert.match(report ?? "", /not started again[^]*node start --id n1 --peer 127\.0\.0\.1:1000 /);
    assert.ok(notes.includes("every node is gone"));
  });
});
