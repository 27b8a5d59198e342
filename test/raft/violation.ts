/** A property did not hold. */
export class PropertyViolation extends Error {
  override readonly name = "PropertyViolation";
}

export function must(condition: boolean, truth: string, detail: () => string): asserts condition {
  if (!condition) throw new PropertyViolation(`${truth}: ${detail()}`);
}
