"""The table of goals, each with what this run shows. A goal whose measurements are not in the run is left out."""
import math

AUTO, ALL = "sessionctl auto", "sessionctl all"
PRIVATE = ", private view"
ROUND_TRIP = "open-read relative"  # one floor round trip: receive, read, open, answer
CHANGES = {"create+unlink": "create, unlink", "rename": "rename", "mkdir+rmdir": "mkdir, rmdir"}
PEERS = ("proot", "gvisor")


class Run:
    def __init__(self, tables):
        self.tables = {table.name: table for table in tables}

    def get(self, table, row, column):
        return self.tables[table].median(row, column) if table in self.tables else None

    def ratio(self, table, row, column, to):
        return self.tables[table].ratio(row, column, to) if table in self.tables else None


def in_processor_time(run):
    """The same goals in the one measure that a busy machine does not disturb."""
    for row, limit in (("open-read", 1.2), ("open-write", 1.2)):
        value = run.ratio("processor", row, f"{ALL}, one cpu", "floor")
        if value:
            yield f"mediated {row}, same CPU: processor time over the floor", f"{limit}×", f"{value:.2f}×", within(value, limit)
    trip = run.get("processor", "open-read", "floor")
    for operation, name in CHANGES.items():
        own, native = run.get("processor", operation, f"{ALL}, one cpu"), run.get("processor", operation, "native")
        if own and native and trip:
            value = (own - native) / trip
            yield (f"mediated {name}, over native, in floor round trips: processor time", "1.3", f"{value:.1f}",
                   within(value, 1.3))
    native, peer = (run.get("processor-starts", "/bin/true", column) for column in ("native", "bubblewrap"))
    for column, view, limit in ((AUTO, "host view", 1.5), (AUTO + PRIVATE, "private view", 2.5)):
        own = run.get("processor-starts", "/bin/true", column)
        if own and native and peer:
            yield (f"start and end of /bin/true by `run`, {view}: processor time added", f"{limit} ms",
                   f"{own - native:.1f} ms (bubblewrap: {peer - native:.1f} ms)", within(own - native, limit))
    for row in ("open-read", "open-write", "create+unlink", "rename", "chmod", "stat"):
        value = run.ratio("processor", row, "proot", f"{ALL}, one cpu")
        if value:
            yield f"proot over scope all, {row}: processor time", "10×", f"{value:.1f}×", "yes" if value >= 10 else "no"


def within(value, limit):
    return "yes" if value <= limit else "no"


def native_calls(run):
    for row in ("stat relative", "open-read relative", "read-4k relative"):
        value, layers = (run.ratio("calls", row, AUTO, below) for below in ("landlock", "landlock, two layers"))
        if value and layers:
            yield (f"native call over Landlock alone: {row}", "1.02×",
                   f"{value:.2f}×; over two layers of Landlock {layers:.2f}×", within(value, 1.02))


def mediated_opens(run):
    for row in ("open-read relative", "open-write relative"):
        for column, limit, what in ((f"{ALL}, one cpu", 1.2, "same CPU"), (ALL, 1.5, "nothing pinned")):
            value = run.ratio("calls", row, column, "floor")
            if value:
                yield f"mediated {row}, {what}: p50 over the floor", f"{limit}×", f"{value:.2f}×", within(value, limit)
        middle, tail = (run.get(table, row, f"{ALL}, one cpu") for table in ("calls", "calls-p99"))
        if middle and tail:
            yield f"mediated {row}, same CPU: p99 over its p50", "3×", f"{tail / middle:.1f}×", within(tail / middle, 3)


def mediated_changes(run):
    trip = run.get("calls", ROUND_TRIP, "floor")
    for operation, name in CHANGES.items():
        row = f"{operation} relative"
        own, native = run.get("calls", row, f"{ALL}, one cpu"), run.get("calls", row, "native")
        if own and native and trip:
            value = (own - native) / trip
            yield f"mediated {name}, over native: in floor round trips", "1.3", f"{value:.1f}", within(value, 1.3)


def programs(run):
    table = run.tables.get("work")
    for column, limit in ((AUTO, 1.03), (AUTO + PRIVATE, 1.03), (ALL, 1.15), (ALL + PRIVATE, 1.15)) if table else ():
        ratios = {row: table.ratio(row, column, "native") for row in table.rows()}
        ratios = {row: value for row, value in ratios.items() if value}
        if ratios:
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            worst = max(ratios, key=ratios.get)
            yield (f"whole programs, {column}", f"{limit}×",
                   f"{mean:.2f}× on the (geometric) average; most: {ratios[worst]:.2f}× ({worst})",
                   within(ratios[worst], limit))


def starts(run):
    native, peer = (run.get("starts", "/bin/true", column) for column in ("native", "bubblewrap"))
    for column, view, limit in ((AUTO, "host view", 1.5), (AUTO + PRIVATE, "private view", 2.5)):
        own = run.get("starts", "/bin/true", column)
        if own and native:
            yield (f"start and end of /bin/true by `run`, {view}: added", f"{limit} ms", f"{own - native:.1f} ms",
                   within(own - native, limit))
        if own and peer:
            yield f"… beside bubblewrap, {view}", "below", f"{own:.1f} ms; bubblewrap {peer:.1f} ms", within(own, peer)
    for view in ("host view", "private view"):
        value = run.get("supervised-starts", "burst of 100, sessions a second", view)
        if value:
            yield (f"sessions a second through the supervisor, {view}", "500", f"{value:.0f}",
                   "yes" if value >= 500 else "no")


def idle_sessions(run):
    table = run.tables.get("supervised-memory")
    for view in ("host view", "private view") if table else ():
        sizes = [row.split(":")[0] for row in table.rows() if row.startswith("idle") and row.endswith(": PSS, KiB")]
        if sizes:
            held, threads = (table.median(f"{sizes[-1]}: {what}", view) for what in ("PSS, KiB", "threads of the broker"))
            yield (f"one of {sizes[-1].split()[1]} idle sessions, {view}: PSS, threads of the broker", "400 KiB, 1",
                   f"{held:.0f} KiB, {threads:.0f}", within(held, 400) if threads <= 1 else "no")


def crowds(run):
    table = run.tables.get("crowd")
    for column in table.columns() if table else ():
        if column.startswith("beside"):
            worst = max(table.rows(), key=lambda row: abs(table.ratio(row, column, "alone") - 1))
            value = table.ratio(worst, column, "alone")
            yield f"a call of a session {column} idle ones, over alone", "within 10%", f"{value:.2f}× ({worst})", \
                within(abs(value - 1), 0.1)


def peers(run):
    table = run.tables.get("calls")
    for peer in PEERS if table else ():
        for column, what in ((AUTO, "auto"), (ALL, "all")):
            ratios = {row: table.ratio(row, peer, column) for row in table.rows()}
            ratios = {row: value for row, value in ratios.items() if value}
            if ratios:
                ordered = sorted(ratios, key=ratios.get)
                middle = ratios[ordered[len(ordered) // 2]]
                least = ratios[ordered[0]]
                yield (f"{peer} over scope {what}, calls", "10×",
                       f"{least:.1f}× ({ordered[0]}) to {ratios[ordered[-1]]:.0f}× ({ordered[-1]}), half above {middle:.1f}×",
                       "yes" if least >= 10 else "no")


def section(tables):
    run = Run(tables)
    rows = [row for part in (native_calls, mediated_opens, mediated_changes, in_processor_time, programs, starts,
                             idle_sessions, crowds, peers)
            for row in part(run)]
    if not rows:
        return []
    return ["", "## Goals", "", "| what | goal | here | reached |", "| --- | --- | --- | --- |",
            *("| " + " | ".join(row) + " |" for row in rows)]
