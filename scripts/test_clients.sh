#!/bin/sh
# Installs what tests drive the gateway with: foreign clients and the official conformance suite, each in a place of
# its own, from locked versions.
set -eu
cd "$(dirname "$0")/.."
venv=.cache/clients/python1
lock=protocol_tests/clients/python1/requirements.txt

if ! [ "$venv/.installed" -nt "$lock" ]; then
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    touch "$venv/.installed"
fi

if ! command -v npm >/dev/null; then
    echo "npm is not there: tests with TypeScript clients and the conformance suite are skipped. Install Node.js 20." >&2
    exit 0
fi
for folder in protocol_tests/clients/typescript protocol_tests/official; do
    if ! [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
        (cd "$folder" && npm ci --silent)
    fi
done
