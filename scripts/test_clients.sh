#!/bin/sh
# Installs the foreign clients that tests drive the gateway with, each in a place of its own, from locked versions.
set -eu
cd "$(dirname "$0")/.."
venv=.cache/clients/python1
lock=protocol_tests/clients/python1/requirements.txt

if ! [ "$venv/.installed" -nt "$lock" ]; then
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    touch "$venv/.installed"
fi

typescript=protocol_tests/clients/typescript
if ! command -v npm >/dev/null; then
    echo "npm is not there: the tests with TypeScript clients are skipped. Install Node.js 20 to run them." >&2
elif ! [ "$typescript/node_modules/.package-lock.json" -nt "$typescript/package-lock.json" ]; then
    (cd "$typescript" && npm ci --silent)
fi
