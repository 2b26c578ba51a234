"""Samples of many rounds, and what is told of them: the median, with the spread between the rounds."""
import statistics


class Table:
    """Numbers by row and column, one a round; the unit is the row's. `order` is that of the columns, of all tables."""

    order = []

    def __init__(self, name, title, unit, reference="native", floor=None):
        self.name, self.title, self.unit, self.reference, self.floor = name, title, unit, reference, floor
        self.cells = {}  # (row, column) -> [number of each round]

    def add(self, row, column, value):
        self.cells.setdefault((row, column), []).append(value)

    def rows(self):
        return list(dict.fromkeys(row for row, _ in self.cells))

    def columns(self):
        found = dict.fromkeys(column for _, column in self.cells)
        return [name for name in self.order if name in found] + sorted(name for name in found if name not in self.order)

    def median(self, row, column):
        values = self.cells.get((row, column))
        return statistics.median(values) if values else None

    def spread(self, row, column):
        values = self.cells.get((row, column))
        return (min(values), max(values)) if values else None

    def ratio(self, row, column, to):
        """The median of the ratios within each round, where both were measured: what two rounds have in common (a
        busy machine) falls out."""
        mine, base = self.cells.get((row, column)), self.cells.get((row, to))
        if not mine or not base:
            return None
        if len(mine) != len(base):  # not measured in every round
            return statistics.median(mine) / statistics.median(base)
        return statistics.median(a / b for a, b in zip(mine, base) if b)

    def as_json(self):
        return {"title": self.title, "unit": self.unit, "reference": self.reference, "floor": self.floor,
                "cells": [{"row": row, "column": column, "values": values, "median": statistics.median(values)}
                          for (row, column), values in self.cells.items()]}
