// Lint that sees floating promises everywhere, and impurity in the core.
import tseslint from "typescript-eslint";

/** The core may know no clock, chance, timer, I/O, process or promise (law 2). */
export const PURE_FOLDERS = ["src/raft/**/*.ts", "src/store/**/*.ts"];

/** What runs for every message, entry, request or answer. */
const HOT_FOLDERS = ["codec", "node", "storage", "transport", "doors"].map(
  (folder) => `src/${folder}/**/*.ts`,
);
/** Once at a start, or by a tool. */
const COLD_FILES = [
  "src/node/{assembly,restored-directory}.ts",
  "src/storage/{identity,offline-log,recovery,verification}.ts",
];
const spreadFirst = {
  selector: "ObjectExpression:has(> Property) > SpreadElement:first-child",
  message:
    "Node 20 may give `{ ...x, y }` a new hidden class each time, and what reads it grows slow (docs/PERFORMANCE.md): spread last, or name the fields",
};

const impureGlobals = [
  "Date",
  "process",
  "Buffer",
  "console",
  "performance",
  "crypto",
  "fetch",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
  "queueMicrotask",
  "Promise",
  "globalThis",
  "global",
  "require",
  "WeakRef",
  "FinalizationRegistry",
  "Intl",
  "structuredClone",
  "Atomics",
  "SharedArrayBuffer",
  "WebSocket",
  "AbortSignal",
  "AbortController",
];

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "data/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-redeclare": "off",
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", name: ["describe", "it", "before", "after"], package: "mocha" },
          ],
        },
      ],
      "max-lines": ["error", { max: 500, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: PURE_FOLDERS,
    rules: {
      "no-restricted-globals": [
        "error",
        ...impureGlobals.map((name) => ({
          name,
          message: "the core is pure: no clock, chance, timer, I/O or promise (law 2)",
        })),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "chance is injected" },
        { object: "import", property: "meta", message: "the core is pure" },
      ],
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["node:*", "fs", "net", "timers*", "crypto"], message: "the core is pure" },
          ],
        },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "AwaitExpression", message: "the core is synchronous" },
        { selector: ":function[async=true]", message: "the core is synchronous" },
        { selector: "ForOfStatement[await=true]", message: "the core is synchronous" },
        { selector: "ImportExpression", message: "the core is synchronous" },
        {
          selector: "CallExpression[callee.property.name='localeCompare']",
          message: "depends on ICU",
        },
        spreadFirst,
      ],
    },
  },
  {
    files: HOT_FOLDERS,
    ignores: COLD_FILES,
    rules: { "no-restricted-syntax": ["error", spreadFirst] },
  },
);
