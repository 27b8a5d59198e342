/** What an operator has said of the engine. */
import process from "node:process";

/** Whether a flag of V8's or Node's like this was given, on the command line or by NODE_OPTIONS. */
export function isFlagGiven(flag: RegExp): boolean {
  return flag.test([...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" "));
}
