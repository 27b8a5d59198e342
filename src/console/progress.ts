/** How far a long command is, on a terminal; silent everywhere else. */
import process from "node:process";

export interface Progress {
  /** `done` of the whole, and what else is worth knowing */
  update(done: number, remark: string): void;
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** A bar on stderr. @param total in whatever `done` counts; 0 when unknown */
export async function startProgress(label: string, total: number): Promise<Progress> {
  if (!process.stderr.isTTY || total === 0) return SILENT;
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar({
    format: `${label} {bar} {percentage}% {remark}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    stream: process.stderr,
  });
  bar.start(total, 0, { remark: "" });
  return {
    update: (done, remark) => {
      bar.update(done, { remark });
    },
    stop: () => {
      bar.stop();
    },
  };
}
