#!/usr/bin/env bash
# Measures sessionctl beside the bare machine, the floor of all mediation and its peers, in one interleaved run, and
# writes a report in Markdown and JSON with a chart of each table.
#
#   bench/run.sh [--out DIR] [--rounds N] [--only calls,processor,threads,crowd,starts,fleet,work,memory] [--quick]
#
# Installs the peers (bubblewrap, firejail, proot, gVisor) and what the workloads need; builds what is missing.
# Three rounds (the default) take about a quarter of an hour; --quick shows in some minutes whether everything runs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

ensure_build_packages
ensure_packages bubblewrap firejail proot runsc git sqlite3 tar python3-venv python3-pip python3-setuptools python3-wheel
command -v node >/dev/null || ensure_packages nodejs
command -v npm >/dev/null || ensure_packages npm
cd "$PROJECT_ROOT"
cmake --preset release -B build/bench -DSESSIONCTL_BUILD_TESTS=OFF -DSESSIONCTL_BUILD_BENCH=ON >/dev/null
cmake --build build/bench
bash tests/programs/install_npm_victims.sh "$PWD/build/bench/npm-victims"
exec /usr/bin/python3 bench/suite/main.py --build build/bench "$@"
