#!/usr/bin/env bash
# Installs the published victims from npm into a directory of the build tree, each as its lock file in npm-victims/
# says (`npm install` keeps to it, and adds the binary package for this machine). npm is used as the machine has it
# configured. What is there already is left alone.
#
#   install_npm_victims.sh DIRECTORY
set -euo pipefail

directory="${1:?usage: install_npm_victims.sh DIRECTORY}"
locks="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/npm-victims"

for victim in "$locks"/*/; do
  name="$(basename "$victim")"
  target="$directory/$name"
  if [ -d "$target/node_modules" ] && cmp -s "$victim/package-lock.json" "$target/installed.lock"; then
    continue
  fi
  printf 'installing %s\n' "$name"
  rm -rf "$target"
  mkdir -p "$target"
  cp "$victim/package.json" "$victim/package-lock.json" "$target/"
  (cd "$target" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null)
  cp "$victim/package-lock.json" "$target/installed.lock"
done
