import { homedir } from "node:os";
import process from "node:process";
import { boolean } from "@oclif/core/flags";
import { ConnectedCommand } from "../src/console/base-command.js";
import { historyFile, ShellHistory } from "../src/console/shell-history.js";
import { ShellState } from "../src/console/shell-state.js";
import { runScript, runTerminal } from "../src/console/shell-terminal.js";

export default class Shell extends ConnectedCommand {
  static override summary = "many commands over one connection, with transactions";
  static override description =
    "At a terminal: a prompt, Tab for commands and keys, a history (~/.balsa_history, or under XDG_STATE_HOME; a line that begins with a blank is not kept), Ctrl-C to stop what is under way, Ctrl-D to leave. From a pipe: one command a line, up to the first that fails, whose exit code it is. What is not committed at the end is rolled back. `help` lists the commands.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "echo 'get greeting' | <%= config.bin %> <%= command.id %>",
    "printf '%s\\n' begin 'put a 1' 'put b 2' commit | <%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json --keep-going < script.txt",
  ];
  static override flags = {
    "keep-going": boolean({
      description: "from a pipe: go on behind a line that failed; the first failure's exit code",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Shell);
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
    await this.withDatabase(flags, async (database) => {
      const state = new ShellState({
        database,
        output: this.output,
        note: (line) => {
          this.note(line);
        },
        isJson: flags.json,
        isTerminal,
      });
      if (isTerminal) {
        const history = new ShellHistory(historyFile(process.env, homedir()));
        this.note("help lists the commands, Tab completes, Ctrl-D leaves");
        await runTerminal(state, { input: process.stdin, output: process.stdout, history });
      } else {
        const keepsGoing = flags["keep-going"];
        process.exitCode = await runScript(state, process.stdin, { keepsGoing });
      }
    });
  }
}
