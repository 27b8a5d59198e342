/**
 * Lines of `balsa shell`: words that blanks part, quoted as people know it from sh.
 *
 *   'as it is'   "with \n \r \t \\ \" and \u00e9"   back\ slashed   # to the end
 *
 * A comment is a whole line. Nothing is expanded: `$` and `*` are themselves.
 */
import { usageError } from "./failure.js";

/** How a word was begun: bare, or in this quote. */
export type Quote = "" | "'" | '"';

export interface LineWords {
  /** unquoted */
  readonly words: readonly string[];
  /** the quote that is still open: the line goes on in the next one */
  readonly open: Quote;
  /** where the last word begins in the line; the line's length when a blank ends it */
  readonly lastStart: number;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** @throws {CommandError} usage, for an escape that is none */
export function splitWords(line: string): LineWords {
  const words: string[] = [];
  let lastStart = line.length;
  let open: Quote = "";
  let at = 0;
  if (/^\s*#/.test(line)) return { words, open, lastStart };
  while (at < line.length) {
    if (isBlank(line.charAt(at))) {
      at += 1;
      continue;
    }
    const start = at;
    let word = "";
    while (at < line.length && (open !== "" || !isBlank(line.charAt(at)))) {
      const character = line.charAt(at);
      if (open === "" && (character === "'" || character === '"')) open = character;
      else if (open !== "" && character === open) open = "";
      else if (character === "\\" && open !== "'") {
        const escaped = unescape(line, at, open);
        word += escaped.text;
        at += escaped.size;
        continue;
      } else word += character;
      at += 1;
    }
    words.push(word);
    lastStart = at === line.length ? start : line.length;
  }
  return { words, open, lastStart };
}

/** What the backslash at `at` stands for, and how much of the line that takes. */
function unescape(
  line: string,
  at: number,
  open: Quote,
): { readonly text: string; readonly size: number } {
  const next = line.charAt(at + 1);
  if (next === "")
    throw usageError("the line ends in a backslash, which escapes nothing", String.raw`\\ or '\'`);
  if (open === "") return { text: next, size: 2 };
  const named = ESCAPES[next];
  if (named !== undefined) return { text: named, size: 2 };
  if (next === "\\" || next === '"') return { text: next, size: 2 };
  const code = /^\\u([0-9a-fA-F]{4})/.exec(line.slice(at));
  if (code?.[1] !== undefined)
    return { text: String.fromCharCode(Number.parseInt(code[1], 16)), size: 6 };
  throw usageError(
    `\\${next} is no escape inside double quotes`,
    String.raw`\n \r \t \\ \" \u00e9, or single quotes for text as it is`,
  );
}

/**
 * Text as a word of a line; undefined when it cannot be written in this quote, or
 * would wreck a terminal.
 */
export function quoteWord(text: string, quote: Quote): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) return undefined;
  if (quote === "'") return text.includes("'") ? undefined : `'${text}'`;
  if (quote === '"') return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  return text === "" ? "''" : text.replaceAll(/[\s'"\\]|^#/g, "\\$&");
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t" || character === "\n" || character === "\r";
}
