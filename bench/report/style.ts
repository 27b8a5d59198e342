/** The page's style: two sets of colours, chosen by what the reader's system prefers. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --ground: #fdfdfb; --text: #22252a; --quiet: #666c75; --grid: #e3e4e1;
  --c0: #0b66c3; --c1: #c2410c; --c2: #15803d; --c3: #7e22ce; --c4: #a16207; --c5: #0e7490; --c6: #be185d; --c7: #4b5563; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --text: #e6e7e9; --quiet: #9aa1ab; --grid: #2c3138;
  --c0: #5aa9f7; --c1: #fb923c; --c2: #4ade80; --c3: #c084fc; --c4: #facc15; --c5: #22d3ee; --c6: #f472b6; --c7: #9ca3af; } }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; font-weight: 600; }
.quiet { color: var(--quiet); font-size: .85rem; margin: .3rem 0; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--quiet); font-size: 12px; }
.grid { stroke: var(--grid); } .line { fill: none !important; stroke-width: 2; } .dot { fill: var(--text); opacity: .55; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .2rem 0; font-size: .85rem; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2), td:last-child, th:last-child { text-align: left; }
${Array.from({ length: 8 }, (_, at) => `.c${at} { fill: var(--c${at}); stroke: var(--c${at}); } .b${at} { background: var(--c${at}); }`).join("\n")}
.bar { stroke: none; }
`;
