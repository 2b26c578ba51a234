#!/bin/bash
# npm, offline: pack two local packages, install one that depends on the other, run a script.
set -euo pipefail
export HOME="$PWD/home" npm_config_cache="$PWD/cache" npm_config_update_notifier=false npm_config_offline=true
export npm_config_audit=false npm_config_fund=false npm_config_loglevel=error npm_config_progress=false
export npm_config_userconfig="$PWD/home/.npmrc" TMPDIR="$PWD/tmp"
mkdir -p home tmp lib app
cat >lib/package.json <<'J'
{"name": "local-lib", "version": "1.2.3", "main": "index.js", "bin": {"local-tool": "tool.js"}}
J
echo "module.exports = (x) => x * 2" >lib/index.js
printf '#!/usr/bin/env node\nconsole.log("tool", require("./index.js")(21))\n' >lib/tool.js
(cd lib && npm pack --silent)
cat >app/package.json <<'J'
{"name": "app", "version": "1.0.0", "private": true, "scripts": {"go": "local-tool && node -e \"require('fs').writeFileSync('made.txt', String(require('local-lib')(4)))\""}}
J
cd app
npm install --silent ../lib/local-lib-1.2.3.tgz
npm run --silent go && cat made.txt && echo
npm ls --json | node -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(Object.keys(JSON.parse(s).dependencies)))'
rm -rf node_modules && npm ci --silent && ls -A node_modules
npm uninstall --silent local-lib && ls -A node_modules 2>/dev/null | grep -v package-lock || true
npm install --silent ../lib/local-lib-1.2.3.tgz
