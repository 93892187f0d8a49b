"""The style sheets of a sequence picture, light and dark."""

DRAWN = """.seq {
  --seq-page: #fff; --seq-text: #1f2933; --seq-quiet: #52606d; --seq-line: #9aa5b1; --seq-accent: #2251a3;
  --seq-good: #17693f; --seq-bad: #b3261e; --seq-inside: #f6e7d8;
  font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
.seq text { fill: var(--seq-text); white-space: pre }
.seq .seq-page { fill: var(--seq-page) }
.seq .seq-inside { fill: var(--seq-inside) }
.seq .seq-lane { stroke: var(--seq-line) }
.seq .seq-name { font-weight: 600; font-size: 13px }
.seq .seq-heading { font-weight: 600; font-size: 15px }
.seq .seq-quiet { fill: var(--seq-quiet) }
.seq .seq-call { fill: var(--seq-quiet); font-size: 11px }
.seq .seq-old { fill: var(--seq-bad); text-decoration: line-through }
.seq .seq-new { fill: var(--seq-good); font-weight: 600 }
.seq .seq-arrow { stroke: var(--seq-accent); stroke-width: 1.6 }
.seq .seq-answer { stroke-dasharray: 6 3 }
.seq .seq-head, .seq .seq-dot { fill: var(--seq-accent) }
.seq .seq-number { fill: var(--seq-page); font-weight: 600 }
.seq .seq-untaken .seq-arrow { stroke: var(--seq-line); stroke-width: 1.2; stroke-dasharray: 2 4 }
.seq .seq-untaken .seq-head { fill: var(--seq-line) }
.seq .seq-untaken .seq-dot { fill: var(--seq-page); stroke: var(--seq-quiet); stroke-dasharray: 2 2 }
.seq .seq-untaken .seq-number { fill: var(--seq-quiet) }
.seq .seq-note { fill: var(--seq-quiet); font-style: italic }
.seq .seq-failed .seq-arrow, .seq .seq-cross { stroke: var(--seq-bad) }
.seq .seq-cross { stroke-width: 2.4 }
.seq .seq-failed .seq-note { fill: var(--seq-bad); font-weight: 600; font-style: normal }
.seq .seq-band { fill: none; stroke-width: 1.6; rx: 6px }
.seq .seq-why { font-weight: 600 }
.seq .seq-approved .seq-band { stroke: var(--seq-good) }
.seq .seq-approved .seq-dot { fill: var(--seq-good) }
.seq .seq-approved .seq-why { fill: var(--seq-good) }
.seq .seq-refused .seq-band { stroke: var(--seq-bad) }
.seq .seq-refused .seq-dot { fill: var(--seq-bad) }
.seq .seq-refused .seq-why { fill: var(--seq-bad) }
@media (prefers-color-scheme: dark) {
  .seq {
    --seq-page: #14181d; --seq-text: #e4e7eb; --seq-quiet: #a6b1bd; --seq-line: #66727f; --seq-accent: #7aa7ff;
    --seq-good: #6fcf97; --seq-bad: #ff8a80; --seq-inside: #33291f;
  }
}
"""
"""How it is drawn. Its classes begin with "seq-"; the picture itself has the class "seq"."""

STYLE = f""".seq {{ display: block; width: 100%; min-width: 54rem; max-width: 1100px; height: auto }}
{DRAWN}"""
"""How it is drawn and how large it is in a page: below 54 rem its text could not be read, so the page scrolls it."""
