"""A table as horizontal bars, one group a row, on a logarithmic scale: the costs differ by orders of magnitude."""
import math
from xml.sax.saxutils import escape

COLOURS = ["#8a8a8a", "#b5b5b5", "#5c7cfa", "#91a7ff", "#2b8a3e", "#51cf66", "#8ce99a", "#e8590c", "#f08c00", "#c2255c",
           "#862e9c", "#1098ad", "#66d9e8", "#495057", "#ffd43b", "#d6336c", "#087f5b"]
BAR, GAP, LEFT, WIDTH = 11, 12, 210, 620


def bars(table):
    rows, columns = table.rows(), table.columns()
    values = [table.median(row, column) for row in rows for column in columns]
    values = [value for value in values if value and value > 0]
    low = 10 ** math.floor(math.log10(min(values))) if values else 1
    high = max(values) if values else 10
    span = math.log10(high / low) or 1
    height = 40 + len(columns) * 16 + len(rows) * (len(columns) * BAR + GAP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}" '
             'font-family="sans-serif" font-size="11">',
             f'<text x="8" y="18" font-size="14">{escape(table.title)}, {escape(table.unit)} (logarithmic)</text>']
    y = 34
    for index, column in enumerate(columns):
        parts.append(f'<rect x="8" y="{y}" width="10" height="10" fill="{COLOURS[index % len(COLOURS)]}"/>'
                     f'<text x="24" y="{y + 9}">{escape(column)}</text>')
        y += 16
    y += 6
    for row in rows:
        parts.append(f'<text x="8" y="{y + len(columns) * BAR / 2 + 4}">{escape(row)}</text>')
        for index, column in enumerate(columns):
            value = table.median(row, column)
            if value and value > 0:
                length = max(1.0, math.log10(value / low) / span * WIDTH)
                parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                             f'fill="{COLOURS[index % len(COLOURS)]}"/>'
                             f'<text x="{LEFT + length + 4:.1f}" y="{y + 8}" font-size="9">{value:.3g}</text>')
            y += BAR
        y += GAP
    return "\n".join(parts + ["</svg>"]) + "\n"
