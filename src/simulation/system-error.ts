/** The errors of a file system in memory, as the real one gives them. */

export type OperationKind =
  | "open"
  | "read"
  | "write"
  | "writeLater"
  | "truncate"
  | "truncateLater"
  | "size"
  | "datasync"
  | "datasyncLater"
  | "list"
  | "exists"
  | "makeDirectory"
  | "rename"
  | "remove"
  | "removeLater"
  | "syncDirectory";

export type FailureCode = "EIO" | "ENOSPC" | "EDQUOT" | "EMFILE" | "EACCES" | "EROFS";

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  EIO: "i/o error",
  ENOSPC: "no space left on device",
  EDQUOT: "disk quota exceeded",
  EMFILE: "too many open files",
  EACCES: "permission denied",
  EROFS: "read-only file system",
  ENOENT: "no such file or directory",
  EEXIST: "file already exists",
  EBADF: "bad file descriptor",
};

/** The system's own name of the call that fails, where it is another one. */
const SYSCALLS: Readonly<Partial<Record<OperationKind, string>>> = {
  writeLater: "write",
  truncate: "ftruncate",
  truncateLater: "ftruncate",
  size: "fstat",
  datasync: "fdatasync",
  datasyncLater: "fdatasync",
  list: "scandir",
  exists: "access",
  makeDirectory: "mkdir",
  remove: "unlink",
  removeLater: "unlink",
  syncDirectory: "fsync",
};

/** The call that fails with `code`: syncing a directory needs a descriptor of it first. */
export function syscallOf(kind: OperationKind, code: FailureCode): string {
  if (kind === "syncDirectory" && code === "EMFILE") return "open";
  return SYSCALLS[kind] ?? kind;
}

/** As Node makes them. */
export function systemError(code: string, syscall: string, path: string): Error {
  const message = `${code}: ${ERROR_TEXTS[code] ?? "failed"}, ${syscall} '${path}'`;
  return Object.assign(new Error(message), { code, syscall, path });
}
