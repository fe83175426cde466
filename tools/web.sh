#!/usr/bin/env bash
# web.sh SCRIPT…: runs scripts of the web console's package.json (build, check, test), with the machine's
# Node where it is new enough, else with the one that a Python wheel carries, in an environment of its own.
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
# npm writes down what it has installed; an older note than the lock means that the lock has changed.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
fi
for script in "$@"; do
    npm run --silent "$script"
done
