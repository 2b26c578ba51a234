#!/usr/bin/env bash
# What a fleet costs: starts a second, the cost of an idle session, many alive at once, adoption after a crash, and
# the attack on shared interpreters run as a deployment. On an otherwise idle machine:
#   bench/fleet.sh [--sessions 1000] [--json FILE] …     (bench/fleet.py --help)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
ensure_build_packages
build_preset release sessionctl swap_attacker
exec /usr/bin/python3 bench/fleet.py "$@"
