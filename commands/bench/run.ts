import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { integer, string } from "@oclif/core/flags";
import type { RunFile } from "../../bench/run-file.js";
import { parseEndpoints } from "../../src/console/address.js";
import { BaseCommand } from "../../src/console/base-command.js";
import { parseDuration } from "../../src/console/duration.js";
import { EXIT, usageError } from "../../src/console/failure.js";
import { parseSize } from "../../src/console/size.js";
import { grouped } from "../../src/console/text.js";

const IN_FLIGHT_OPEN = 1000;

export default class BenchRun extends BaseCommand {
  static override summary = "load a cluster, and report operations a second and latencies";
  static override description = `Starts a cluster of its own on this machine, loads it and removes it; with --endpoints (or BALSA_ENDPOINTS) it loads a running one, whose keys "bench:" and 8 digits it sets.

Without --rate the loop is closed: --connections times --in-flight requests on their way, each asked again as soon as it is answered; that shows capacity. With --rate it is open: requests are due at random moments, so many a second, and latency counts from the moment a request was due; that shows what users feel. The load comes from a process of its own, whose processor time is told with the servers'.

Workloads: put, get, mixed (half and half), list (1 to 100 keys), transaction (two keys read, both written), and YCSB's A (half reads), B (95 % reads), C (reads), D (reads of the latest), E (lists), F (read-modify-write). Reads are linearizable.`;
  static override examples = [
    {
      description: "capacity for durable writes, on a cluster of its own",
      command: "<%= config.bin %> <%= command.id %>",
    },
    {
      description: "what users of a running cluster feel at 8000 requests a second",
      command:
        "<%= config.bin %> <%= command.id %> --endpoints 127.0.0.1:14141 --workload ycsb-b --rate 8000",
    },
    {
      description: "kept, to be compared and drawn",
      command:
        "<%= config.bin %> <%= command.id %> --connections 50 --in-flight 20 --out before.json",
    },
  ];
  static override flags = {
    endpoints: string({
      description: "client addresses of a running cluster, instead of one of its own",
      helpValue: "H:P,…",
      env: "BALSA_ENDPOINTS",
    }),
    nodes: integer({
      description: "nodes of its own cluster",
      default: 3,
      min: 1,
      max: 9,
      helpValue: "N",
    }),
    dir: string({
      description: "where its own cluster keeps its data, on the disk to be measured",
      default: "data",
      helpValue: "DIR",
    }),
    workload: string({
      description: "what is asked",
      options: [
        "put",
        "get",
        "mixed",
        "list",
        "transaction",
        "ycsb-a",
        "ycsb-b",
        "ycsb-c",
        "ycsb-d",
        "ycsb-e",
        "ycsb-f",
      ],
      default: "put",
    }),
    door: string({
      description:
        "how requests travel: native or resp with prebuilt bytes, or library, as an application asks",
      options: ["native", "resp", "library"],
      default: "native",
    }),
    distribution: string({
      description:
        "which keys: all alike, or zipfian (0.99, scrambled) [default: zipfian for YCSB, else uniform]",
      options: ["uniform", "zipfian"],
    }),
    rate: integer({
      description: "open loop: requests a second, due at random moments",
      min: 1,
      max: 10_000_000,
      helpValue: "N",
    }),
    connections: integer({
      description: "connections",
      default: 10,
      min: 1,
      max: 10_000,
      helpValue: "N",
    }),
    "in-flight": integer({
      description: `requests in flight on each connection [default: 1; with --rate at most ${IN_FLIGHT_OPEN}]`,
      min: 1,
      max: 10_000,
      helpValue: "N",
    }),
    seconds: integer({
      description: "how long is measured, all repetitions together",
      default: 10,
      min: 1,
      helpValue: "N",
    }),
    repetitions: integer({
      description: "how often: a comparison needs four or more",
      default: 5,
      min: 1,
      max: 50,
      helpValue: "N",
    }),
    "warm-up": string({
      description: "how long each repetition runs first, unmeasured",
      default: "1s",
      helpValue: "1s",
    }),
    "value-size": string({
      description: "bytes of a value, up to 1MiB",
      default: "100",
      helpValue: "SIZE",
    }),
    keys: integer({
      description: "how many different keys",
      default: 100_000,
      min: 2,
      max: 100_000_000,
      helpValue: "N",
    }),
    seed: integer({ description: "of the chances", default: 1, min: 0, helpValue: "N" }),
    label: string({ description: "a name for comparisons and reports", helpValue: "TEXT" }),
    out: string({
      description: "keep everything, histograms too, for bench compare and bench report",
      helpValue: "FILE",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchRun);
    const { runBench } = await import("../../bench/run.js");
    const { WORKLOADS, usualDistribution } = await import("../../bench/load/workload.js");
    const { DISTRIBUTIONS } = await import("../../bench/load/keys.js");
    const workload = WORKLOADS.find((name) => name === flags.workload) ?? "put";
    const door = DOORS.find((name) => name === flags.door) ?? "native";
    refuseImpossible(
      workload,
      door,
      flags.rate,
      flags.endpoints !== undefined && this.given("nodes"),
    );
    const live = process.stderr.isTTY;
    const stop = new AbortController();
    process.once("SIGINT", () => {
      stop.abort();
    });
    const running = runBench({
      workload,
      door,
      distribution:
        DISTRIBUTIONS.find((name) => name === flags.distribution) ?? usualDistribution(workload),
      rate: flags.rate ?? 0,
      connections: flags.connections,
      inFlight: flags["in-flight"] ?? (flags.rate === undefined ? 1 : IN_FLIGHT_OPEN),
      seconds: flags.seconds,
      repetitions: flags.repetitions,
      warmUpSeconds: parseDuration(flags["warm-up"], "--warm-up") / 1000,
      valueSize: valueSizeOf(flags["value-size"]),
      keys: flags.keys,
      seed: flags.seed,
      label: flags.label ?? labelOf(flags.out) ?? workload,
      version: this.config.version,
      target:
        flags.endpoints === undefined
          ? { kind: "own", nodes: flags.nodes, directory: flags.dir }
          : {
              kind: "running",
              endpoints: parseEndpoints(flags.endpoints).map(({ text }) => text),
            },
      signal: stop.signal,
      onPhase: (phase) => {
        if (live) process.stderr.write(`\r\u001b[K${phase}`);
      },
      onSecond: (operations, seconds, repetition) => {
        if (!live) return;
        const rate = grouped(operations / seconds);
        process.stderr.write(
          `\r\u001b[Krepetition ${repetition} of ${flags.repetitions}  ${seconds.toFixed(0)} s  ${rate} operations/s`,
        );
      },
    });
    const file = await running.catch((error: unknown) => {
      if (stop.signal.aborted) return undefined;
      throw error;
    });
    if (live) process.stderr.write("\r\u001b[K");
    if (file === undefined) {
      this.note("stopped before its end: nothing was kept");
      process.exitCode = EXIT.interrupted;
      return;
    }
    if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(file)}\n`);
    if (flags.json) {
      await this.output.json(withoutHistograms(file));
    } else await this.#print(file, flags.out);
  }

  async #print(file: RunFile, out: string | undefined): Promise<void> {
    const { runLines } = await import("../../bench/report/run-lines.js");
    for (const line of runLines(file)) await this.output.line(line);
    if (out !== undefined) this.note(`kept in ${out}`);
  }
}

/** Histograms are for files: they are long. */
function withoutHistograms(file: RunFile): object {
  const repetitions = file.repetitions.map((one) => ({ ...one, latencies: undefined }));
  return { ...file, repetitions };
}

const DOORS = ["native", "resp", "library"] as const;
const VALUE_SIZE_MAX = 1024 * 1024;

function refuseImpossible(
  workload: string,
  door: (typeof DOORS)[number],
  rate: number | undefined,
  namesNodes: boolean,
): void {
  if (door === "resp" && (workload === "list" || workload === "ycsb-e")) {
    throw usageError(
      `--workload ${workload} cannot go through --door resp: RESP has no list of keys in order`,
      "--door native",
    );
  }
  if (door === "library" && rate !== undefined) {
    throw usageError(
      "--rate needs a client that is never late, and --door library makes a promise a request",
      "--door native",
    );
  }
  if (namesNodes) {
    throw usageError(
      "--nodes is for a cluster of its own, and --endpoints (or BALSA_ENDPOINTS) names a running one",
      "one of the two",
    );
  }
}

function valueSizeOf(text: string): number {
  const size = parseSize(text, "--value-size");
  if (size > VALUE_SIZE_MAX) {
    throw usageError(`--value-size ${text} is more than a value may have`, "--value-size 64KiB");
  }
  return size;
}

/** A run that is kept is called like its file. */
function labelOf(out: string | undefined): string | undefined {
  return out === undefined ? undefined : path.basename(out).replace(/\.json$/, "");
}
