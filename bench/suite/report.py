"""One report of one run: Markdown with a table and a chart each, and the same as JSON."""
import json
import pathlib
import statistics

import goals
from chart import bars


def number(value):
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_ratio(table, row, column):
    cell = number(table.median(row, column))
    to_reference = table.ratio(row, column, table.reference) if column != table.reference else None
    return cell if to_reference is None else f"{cell} ({ratio(to_reference)})"


def ratio(value):
    return "–" if value is None else f"{value:.2f}×"


def markdown_table(table):
    columns = table.columns()
    lines = [f"| {table.unit} | " + " | ".join(columns) + " |", "| --- |" + " --: |" * len(columns)]
    for row in table.rows():
        lines.append(f"| {row} | " + " | ".join(with_ratio(table, row, column) for column in columns) + " |")
    return lines


def floor_table(table):
    """Ratios to the floor, of those that stand above it."""
    if table.floor is None or not any(column == table.floor for column in table.columns()):
        return []
    columns = [column for column in table.columns() if column not in (table.floor, "native", "landlock")]
    lines = ["", f"As ratios to the {table.floor}:", "", "| | " + " | ".join(columns) + " |",
             "| --- |" + " --: |" * len(columns)]
    for row in table.rows():
        lines.append(f"| {row} | " + " | ".join(ratio(table.ratio(row, column, table.floor)) for column in columns) + " |")
    return lines


def spread_note(table):
    rounds = max(len(values) for values in table.cells.values())
    if rounds < 2:
        return "One round."
    spreads = []
    for row in table.rows():
        for column in table.columns():
            spread, median = table.spread(row, column), table.median(row, column)
            if spread and median:
                spreads.append((spread[1] - spread[0]) / median)
    return (f"{rounds} rounds. From the lowest to the highest of one cell: {statistics.median(spreads):.0%} of its median "
            f"in half of the cells, {max(spreads):.0%} in the widest.")


def write(out, machine, tables, failures, missing):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lines = ["# Measurements", "", "Medians over the rounds of one interleaved run; in brackets the ratio to the first"
             " column named (native unless said), taken within each round. Made by `bench/run.sh`.", ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    for name, why in missing.items():
        lines.append(f"- not measured here: {name} ({why})")
    lines += goals.section(tables)
    for table in tables:
        if not table.cells:
            continue
        chart = out / f"{table.name}.svg"
        chart.write_text(bars(table))
        lines += ["", f"## {table.title}", "", *markdown_table(table), *floor_table(table), "", spread_note(table), "",
                  f"![{table.title}]({chart.name})"]
    if failures:
        lines += ["", "## What failed", ""]
        lines += [f"- {sandbox}: `{what}`: {why}" for sandbox, what, why in sorted(set(failures))]
    (out / "report.md").write_text("\n".join(lines) + "\n")
    (out / "report.json").write_text(json.dumps(
        {"machine": machine, "not_measured": missing, "tables": {table.name: table.as_json() for table in tables},
         "failures": sorted(set(failures))}, indent=1, ensure_ascii=False) + "\n")
