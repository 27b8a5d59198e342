/**
 * A process that runs command lines one after another, each as the executable would
 * (console/main): for tests of what commands say and do, where a process of its own
 * for each, which costs half a second of a processor, is not the fact.
 *
 * Asked and answered over the channel to its parent; ends with it.
 */
import process from "node:process";
import { main } from "../../src/console/main.js";

/** What it is asked. */
export interface CommandAsked {
  readonly number: number;
  readonly commandLine: readonly string[];
  readonly directory: string;
  /** its variables BALSA_…: these, and no others */
  readonly environment: Readonly<Record<string, string>>;
}

/** What it answers. */
export interface CommandAnswered {
  readonly number: number;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Takes what is printed until `give`. */
function takePrinted(stream: NodeJS.WriteStream): { readonly give: () => string } {
  const own = stream.write.bind(stream);
  const taken: Buffer[] = [];
  const take = (
    chunk: Uint8Array | string,
    encodingOrDone?: BufferEncoding | ((error?: Error | null) => void),
    done?: (error?: Error | null) => void,
  ): boolean => {
    taken.push(typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk));
    const onDone = typeof encodingOrDone === "function" ? encodingOrDone : done;
    if (onDone !== undefined) process.nextTick(onDone);
    return true;
  };
  stream.write = take;
  return {
    give: () => {
      stream.write = own;
      return Buffer.concat(taken).toString();
    },
  };
}

async function run(asked: CommandAsked): Promise<CommandAnswered> {
  const { number, commandLine, directory, environment } = asked;
  for (const name of Object.keys(process.env).filter((one) => one.startsWith("BALSA_")))
    Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, environment);
  process.chdir(directory);
  const stdout = takePrinted(process.stdout);
  const stderr = takePrinted(process.stderr);
  await main(commandLine);
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  process.stderr.removeAllListeners("error");
  return { number, code, stdout: stdout.give(), stderr: stderr.give() };
}

let last = Promise.resolve();
process.on("message", (asked: CommandAsked) => {
  last = last.then(async () => {
    process.send?.(await run(asked));
  });
});
process.once("disconnect", () => process.exit());
