#!/usr/bin/env bash
# Builds the web console with the machine's Node where it is new enough, else with the one that a
# Python wheel carries, in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv

if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null ||
    ! command -v npm >/dev/null; then
    node_home=$venv/node
    if [ ! -x "$node_home/bin/npm" ]; then
        "$venv/bin/python" -m venv "$node_home"
        "$node_home/bin/pip" --disable-pip-version-check install --quiet --require-hashes -r requirements/web.txt
    fi
    PATH=$PWD/$node_home/bin:$PATH
    export PATH
fi
cd web
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build
