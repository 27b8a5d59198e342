/** oclif's help, with the examples first: most readers want a line to copy. */
import { CommandHelp, Help } from "@oclif/core/help";

class ExamplesFirst extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp["sections"]> {
    const sections = super.sections();
    const isExamples = ({ header }: { header: string }): boolean => header === "EXAMPLES";
    return [...sections.filter(isExamples), ...sections.filter((section) => !isExamples(section))];
  }

  /** Without the summary, which is the first line of all. */
  protected override description(): string | undefined {
    const { description } = this.command;
    return description === undefined ? undefined : this.wrap(description);
  }
}

export default class BalsaHelp extends Help {
  protected override CommandHelpClass = ExamplesFirst;
}
