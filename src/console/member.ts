/** Members as people name them. */
import { string } from "@oclif/core/args";
import { isNodeId, type NodeId } from "../raft/types.js";
import { isWildcard, parseAddress } from "./address.js";
import { usageError } from "./failure.js";

export const memberArgument = string({
  description: "the member's id, as `balsa cluster status` shows it",
  required: true,
  ignoreStdin: true,
});

/** @throws {CommandError} usage */
export function parseMemberId(text: string): NodeId {
  if (isNodeId(text)) return text;
  throw usageError(
    `"${text}" cannot name a node: an id is 1 to 64 letters, digits, dots, dashes or underscores`,
    "balsa cluster status",
  );
}

/** `ID=HOST:PORT`. @throws {CommandError} usage */
export function parseMember(text: string): { readonly id: NodeId; readonly address: string } {
  const equals = text.indexOf("=");
  if (equals < 0) throw usageError(`"${text}" is not ID=HOST:PORT`, "n4=10.0.0.4:13141");
  const id = parseMemberId(text.slice(0, equals));
  const address = parseAddress(text.slice(equals + 1), `${id}=`);
  if (isWildcard(address)) {
    throw usageError(
      `${text}: others cannot dial ${address.host}`,
      `the address of ${id} as the other nodes reach it`,
    );
  }
  return { id, address: address.text };
}
