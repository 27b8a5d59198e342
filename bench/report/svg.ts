/**
 * Plots as SVG text, for a page that needs nothing else: no script, no font, no
 * image. Colours are the page's (`.c0` to `.c7`, variables of its style), so that
 * light and dark are its business; every mark says its value when pointed at.
 */

export interface Scale {
  /** where a value lies, from 0 to 1 */
  at(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

export interface Line {
  readonly label: string;
  /** which of the page's colours */
  readonly colour: number;
  readonly dashed?: boolean;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly tells: string;
  }[];
}

export interface Bar {
  readonly label: string;
  readonly colour: number;
  /** its length */
  readonly value: number;
  /** drawn as dots on it: the repetitions */
  readonly dots: readonly number[];
  readonly tells: string;
}

const WIDTH = 860;
const HEIGHT = 340;
const LEFT = 70;
const RIGHT = 20;
const TOP = 14;
const BOTTOM = 46;
const BAR_HEIGHT = 22;
const BAR_GAP = 10;
const BAR_LEFT = 250;
const BAR_RIGHT = 110;
export const COLOURS = 8;

export function escapeText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Powers of ten, and 2 and 5 times them where there is room. */
export function logScale(least: number, greatest: number, unit: (value: number) => string): Scale {
  const low = Math.log10(least);
  const span = Math.max(Math.log10(greatest) - low, 0.1);
  const factors = span > 3 ? [1] : [1, 2, 5];
  const ticks: { at: number; label: string }[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(low + span); power += 1) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      const at = (Math.log10(value) - low) / span;
      if (at >= -0.001 && at <= 1.001) ticks.push({ at, label: unit(value) });
    }
  }
  return { at: (value) => (Math.log10(Math.max(value, least)) - low) / span, ticks };
}

/** From 0 to the next round number above. */
export function linearScale(greatest: number, unit: (value: number) => string): Scale {
  const step = roundStep(greatest / 5);
  const top = Math.ceil(greatest / step) * step;
  const count = Math.round(top / step);
  const ticks = Array.from({ length: count + 1 }, (_, at) => ({
    at: at / count,
    label: unit(at * step),
  }));
  return { at: (value) => value / top, ticks };
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
}

export interface LineChart {
  readonly title: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
}

export function lineChart({ title, x, y, xLabel, yLabel, lines }: LineChart): string {
  const across = (share: number): number => LEFT + share * (WIDTH - LEFT - RIGHT);
  const up = (share: number): number => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  const grid = [
    ...x.ticks.map(
      ({ at, label }) =>
        `<line class="grid" x1="${n(across(at))}" x2="${n(across(at))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>` +
        `<text x="${n(across(at))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeText(label)}</text>`,
    ),
    ...y.ticks.map(
      ({ at, label }) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(up(at))}" y2="${n(up(at))}"/>` +
        `<text x="${LEFT - 8}" y="${n(up(at) + 4)}" text-anchor="end">${escapeText(label)}</text>`,
    ),
  ];
  const drawn = lines.map(({ points, colour, dashed }) => {
    const path = points.map(({ x: px, y: py }) => `${n(across(px))},${n(up(py))}`).join(" ");
    const marks = points.map(
      ({ x: px, y: py, tells }) =>
        `<circle class="c${colour}" cx="${n(across(px))}" cy="${n(up(py))}" r="3"><title>${escapeText(tells)}</title></circle>`,
    );
    const dash = dashed === true ? ' stroke-dasharray="5 4"' : "";
    return `<polyline class="line c${colour}"${dash} points="${path}"/>${marks.join("")}`;
  });
  return svg(HEIGHT, title, [
    ...grid,
    `<text x="${n(across(0.5))}" y="${HEIGHT - 8}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    `<text transform="rotate(-90)" x="${n(-up(0.5))}" y="16" text-anchor="middle">${escapeText(yLabel)}</text>`,
    ...drawn,
  ]);
}

export function barChart(
  title: string,
  bars: readonly Bar[],
  unit: (value: number) => string,
): string {
  const greatest = Math.max(...bars.flatMap(({ value, dots }) => [value, ...dots]), 1e-9);
  const long = (value: number): number => (value / greatest) * (WIDTH - BAR_LEFT - BAR_RIGHT);
  const height = bars.length * (BAR_HEIGHT + BAR_GAP) + BAR_GAP;
  const drawn = bars.map(({ label, colour, value, dots, tells }, at) => {
    const top = BAR_GAP + at * (BAR_HEIGHT + BAR_GAP);
    const middle = top + BAR_HEIGHT / 2;
    const marks = dots.map(
      (dot) =>
        `<circle class="dot" cx="${n(BAR_LEFT + long(dot))}" cy="${n(middle)}" r="2.5"><title>${escapeText(unit(dot))}</title></circle>`,
    );
    const end = BAR_LEFT + long(Math.max(value, ...dots)) + 8;
    return (
      `<text x="${BAR_LEFT - 10}" y="${n(middle + 4)}" text-anchor="end">${escapeText(label)}</text>` +
      `<rect class="bar c${colour}" x="${BAR_LEFT}" y="${n(top)}" width="${n(Math.max(1, long(value)))}" height="${BAR_HEIGHT}"><title>${escapeText(tells)}</title></rect>` +
      marks.join("") +
      `<text x="${n(end)}" y="${n(middle + 4)}">${escapeText(unit(value))}</text>`
    );
  });
  return svg(height, title, drawn);
}

function svg(height: number, title: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(title)}">${parts.join("")}</svg>`;
}

/** A coordinate: a tenth of a pixel is enough. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
