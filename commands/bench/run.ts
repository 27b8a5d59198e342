import process from "node:process";
import { integer, string } from "@oclif/core/flags";
import type { WorkloadReport } from "../../bench/workload.js";
import { parseEndpoints } from "../../src/console/address.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { parseDuration } from "../../src/console/duration.js";
import { grouped } from "../../src/console/text.js";

export default class BenchRun extends ConnectedCommand {
  static override summary = "load a running cluster, and report operations a second and latencies";
  static override description =
    'A closed loop over the native client: --connections times --in-flight requests at once, each asked again as soon as it is answered. A warm-up is not counted. Keys are "bench:" and 8 digits, and stay in the database.';
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --workload mixed --connections 50 --in-flight 20 --seconds 30",
    "<%= config.bin %> <%= command.id %> --workload get --json",
  ];
  static override flags = {
    workload: string({
      description: "what is asked: mixed is half puts, half gets; gets are linearizable",
      options: ["put", "get", "mixed"],
      default: "put",
    }),
    connections: integer({
      description: "connections",
      default: 10,
      min: 1,
      max: 10_000,
      helpValue: "N",
    }),
    "in-flight": integer({
      description: "requests in flight on each connection",
      default: 1,
      min: 1,
      max: 10_000,
      helpValue: "N",
    }),
    seconds: integer({ description: "how long is counted", default: 10, min: 1, helpValue: "N" }),
    "warm-up": string({
      description: "how long runs first, uncounted",
      default: "1s",
      helpValue: "1s",
    }),
    "value-size": integer({
      description: "bytes of a value",
      default: 100,
      min: 0,
      max: 1024 * 1024,
      helpValue: "BYTES",
    }),
    keys: integer({
      description: "how many different keys",
      default: 100_000,
      min: 1,
      max: 100_000_000,
      helpValue: "N",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(BenchRun);
    const { runWorkload, WORKLOADS } = await import("../../bench/workload.js");
    const live = process.stderr.isTTY;
    const report = await runWorkload({
      workload: WORKLOADS.find((name) => name === flags.workload) ?? "put",
      endpoints: parseEndpoints(flags.endpoints).map(({ text }) => text),
      timeoutMs: parseDuration(flags.timeout, "--timeout"),
      connections: flags.connections,
      inFlight: flags["in-flight"],
      seconds: flags.seconds,
      warmUpSeconds: parseDuration(flags["warm-up"], "--warm-up") / 1000,
      valueSize: flags["value-size"],
      keys: flags.keys,
      onPhase: (phase) => {
        if (live) this.note(phase);
      },
      onSecond: (operations, seconds) => {
        if (!live) return;
        const rate = grouped(operations / seconds);
        process.stderr.write(`\r${seconds.toFixed(0).padStart(4)} s  ${rate} operations/s   `);
      },
    });
    if (live) process.stderr.write("\r\u001b[K");
    if (flags.json) await this.output.json(report);
    else for (const line of reportLines(report)) await this.output.line(line);
  }
}

function reportLines(report: WorkloadReport): readonly string[] {
  const { p50, p90, p99, p999, max } = report.latencyMs;
  const ms = (value: number): string => value.toFixed(value < 10 ? 3 : 1);
  return [
    `${report.workload}: ${grouped(report.opsPerSecond)} operations/s on ${report.nodes} nodes`,
    `  ${grouped(report.operations)} operations, ${grouped(report.errors)} errors in ${report.seconds} s`,
    `  ${report.connections} connections with ${report.inFlight} in flight each, values of ${report.valueSize} bytes, ${grouped(report.keys)} keys`,
    `  latency ms  p50 ${ms(p50)}  p90 ${ms(p90)}  p99 ${ms(p99)}  p99.9 ${ms(p999)}  max ${ms(max)}`,
  ];
}
