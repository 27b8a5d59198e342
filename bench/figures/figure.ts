/** A figure that is wanted, what was measured, and whether that is enough. */
import type { Session } from "../peers/session.js";
import type { PeerSettings } from "../peers/settings.js";

export interface Figure {
  readonly what: string;
  readonly relation: "at least" | "at most";
  readonly wanted: number;
  /** null: could not be measured here, and `remark` says why */
  readonly measured: number | null;
  /** behind the numbers: "×", " ms", " MB" */
  readonly unit: string;
  /** how far apart the rounds were, the absolute values, what else is to be known */
  readonly remark: string;
}

/** Some figures that come from one run of the systems. */
export interface FigurePart {
  readonly name: string;
  readonly about: string;
  measure(session: Session, settings: PeerSettings): Promise<readonly Figure[]>;
}

function isMet({ relation, wanted, measured }: Figure): boolean | undefined {
  if (measured === null) return undefined;
  return relation === "at least" ? measured >= wanted : measured <= wanted;
}

/** For the table: what, wanted, measured, met, remark. */
export function figureCells(figure: Figure): readonly string[] {
  const { what, relation, wanted, measured, unit, remark } = figure;
  const met = isMet(figure);
  return [
    what,
    `${relation === "at least" ? "≥" : "≤"} ${wanted}${unit}`,
    measured === null ? "-" : `${shown(measured)}${unit}`,
    met === undefined ? "not measured" : met ? "met" : "NOT MET",
    remark,
  ];
}

function shown(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
