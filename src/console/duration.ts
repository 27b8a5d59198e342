/** Spans of time as people write them: `500ms`, `5s`, `2m`, `1h`, `30d`. */
import { usageError } from "./failure.js";

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
/** The longest timer Node.js keeps; beyond it, it would fire at once. Milliseconds. */
export const DURATION_MS_MAX = 2 ** 31 - 1;

/**
 * Milliseconds, at least 1, of something that a timer waits for.
 *
 * @param flag whose value it is, for the message
 * @throws {CommandError} usage, when the text is no duration
 */
export function parseDuration(text: string, flag: string): number {
  const milliseconds = parseAge(text, flag);
  if (milliseconds > DURATION_MS_MAX) {
    throw usageError(`${flag} "${text}" is longer than 24 days`, `${flag} 1h`);
  }
  return milliseconds;
}

/**
 * Milliseconds, at least 1, however many.
 *
 * @throws {CommandError} usage, when the text is no duration
 */
export function parseAge(text: string, flag: string): number {
  const match = DURATION.exec(text);
  const milliseconds = Math.round(Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? Number.NaN));
  if (!Number.isSafeInteger(milliseconds) || milliseconds < 1) {
    throw usageError(
      `${flag} "${text}" is not a span of time: it needs a positive number and a unit`,
      `${flag} 5s (units: ms, s, m, h, d)`,
    );
  }
  return milliseconds;
}
