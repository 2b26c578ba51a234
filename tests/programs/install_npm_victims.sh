#!/usr/bin/env bash
# Installs the published victims from npm into a directory of the build tree, each in its locked version.
#
#   install_npm_victims.sh DIRECTORY
#
# What is there already is left alone. npm is used as the machine has it configured.
set -euo pipefail

directory="${1:?usage: install_npm_victims.sh DIRECTORY}"

# install NAME PACKAGE@VERSION
install() {
  local target="$directory/$1" package="$2"
  [ -f "$target/.installed-$(tr '/@' '__' <<<"$package")" ] && return 0
  printf 'installing %s\n' "$package"
  rm -rf "$target"
  mkdir -p "$target"
  (
    cd "$target"
    echo '{"private": true}' >package.json
    npm install --no-audit --no-fund --ignore-scripts --loglevel=error --save-exact "$package" </dev/null
  )
  touch "$target/.installed-$(tr '/@' '__' <<<"$package")"
}

install monty '@pydantic/monty@0.0.18'
install mcp '@modelcontextprotocol/server-filesystem@2026.8.31'
install mcp-0.6.2 '@modelcontextprotocol/server-filesystem@0.6.2'
