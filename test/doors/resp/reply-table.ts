/** Commands and their exact replies, as tables of tests. */
import assert from "node:assert/strict";
import { it } from "mocha";
import { withDoor } from "./serve.js";

/** Commands in Redis' own notation (inline), and the exact reply; "..." stands for anything. */
export interface Table {
  readonly title: string;
  readonly lines: readonly (readonly [command: string, reply: string])[];
}

export const ABSENT = "$-1\r\n";
export const OK = "+OK\r\n";
export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
export const array = (...replies: string[]): string => `*${replies.length}\r\n${replies.join("")}`;
export const QUEUED = "+QUEUED\r\n";
export const NOTHING = "*-1\r\n";
export const ABORTED = "-EXECABORT Transaction discarded because of previous errors.\r\n";
export const arity = (name: string): string =>
  `-ERR wrong number of arguments for '${name}' command\r\n`;
export const NOT_INTEGER = "-ERR value is not an integer or out of range\r\n";
export const SYNTAX = "-ERR syntax error\r\n";
export const INVALID = (name: string): string =>
  `-ERR invalid expire time in '${name}' command\r\n`;

/** Whether `reply` is `pattern`, in which "..." stands for anything. */
function fits(reply: string, pattern: string): boolean {
  const parts = pattern.split("...");
  if (parts.length === 1) return reply === pattern;
  const escaped = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  // An error's pattern that ends openly may end with the line.
  return new RegExp(`^${escaped.join("[^]*")}$`).test(reply);
}

/** A test a table, each over a door of its own. */
export function itAnswers(tables: readonly Table[]): void {
  for (const { title, lines } of tables) {
    it(title, async () => {
      await withDoor(async ({ client }) => {
        for (const [command, want] of lines) {
          client.send(`${command}\r\n`);
          const reply = await client.reply();
          assert.ok(
            fits(reply, want),
            `${command}: ${JSON.stringify(reply)}, not ${JSON.stringify(want)}`,
          );
        }
      });
    });
  }
}
