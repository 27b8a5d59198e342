/** A real etcd of this machine, through its JSON gateway; for tests that compare with it. */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { reservePort } from "../ports.js";

type EtcdProcess = ChildProcessByStdio<null, null, Readable>;

/** The version that is installed; undefined when none is. */
export function etcdVersion(): string | undefined {
  const { stdout, status } = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  return status === 0 ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
}

export class Etcd implements AsyncDisposable {
  readonly #process: EtcdProcess;
  readonly #directory: string;
  readonly #url: string;

  private constructor(process: EtcdProcess, directory: string, url: string) {
    this.#process = process;
    this.#directory = directory;
    this.#url = url;
  }

  /** On ports that were free a moment ago; on others when somebody else has taken one since. */
  static async start(): Promise<Etcd> {
    for (let attempt = 1; ; attempt += 1) {
      const etcd = await Etcd.#spawn();
      if (await etcd.#isReady()) return etcd;
      await etcd[Symbol.asyncDispose]();
      if (attempt === 5) throw new Error(`etcd ended with ${String(etcd.#process.exitCode)}`);
    }
  }

  static async #spawn(): Promise<Etcd> {
    const directory = mkdtempSync(join(tmpdir(), "balsa-etcd-"));
    const url = `http://127.0.0.1:${await reservePort()}`;
    const peer = `http://127.0.0.1:${await reservePort()}`;
    const addresses = ["--listen-client-urls", url, "--advertise-client-urls", url];
    const peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer];
    const process = spawn(
      "etcd",
      ["--data-dir", directory, "--initial-cluster", `default=${peer}`, ...addresses, ...peers],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    return new Etcd(process, directory, url);
  }

  /** @returns false when it has ended instead */
  #isReady(): Promise<boolean> {
    return new Promise((resolve) => {
      let said = "";
      // Read to the end: etcd dies of a closed pipe.
      this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("ready to serve client requests")) resolve(true);
      });
      this.#process.once("exit", () => {
        resolve(false);
      });
    });
  }

  /** What etcd answers; `error` and `code` in it when it refuses. */
  async ask(path: string, body: unknown): Promise<EtcdAnswer> {
    const response = await fetch(`${this.#url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return (await response.json()) as EtcdAnswer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill("SIGKILL");
      await once(this.#process, "exit");
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface EtcdKeyValue {
  readonly key: string;
  readonly value?: string;
  readonly create_revision?: string;
  readonly mod_revision?: string;
  readonly version?: string;
}

/** What is 0, empty or false is left out. */
export interface EtcdAnswer {
  readonly error?: string;
  readonly header?: { readonly revision?: string };
  readonly kvs?: readonly EtcdKeyValue[];
  readonly more?: boolean;
  readonly prev_kv?: EtcdKeyValue;
  readonly deleted?: string;
  readonly succeeded?: boolean;
  readonly responses?: readonly {
    readonly response_put?: EtcdAnswer;
    readonly response_range?: EtcdAnswer;
    readonly response_delete_range?: EtcdAnswer;
  }[];
}
