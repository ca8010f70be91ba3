#!/bin/sh
# Installs what tests drive the gateway with: foreign clients and the official conformance suite, each in a place of
# its own, from locked versions. `test_clients.sh lock` writes the locks of the Python clients anew.
set -eu
cd "$(dirname "$0")/.."
locks=protocol_tests/clients/python/locks

if [ "${1:-}" = lock ]; then
    for wanted in "$locks"/*.in; do
        "${UV:-.venv/bin/uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
            --no-emit-index-url --no-emit-find-links --no-annotate "$wanted" -o "${wanted%.in}.txt"
    done
    exit 0
fi

python_clients() {
    lock=$1 venv=.cache/clients/$(basename "$1" .txt)
    if [ "$venv/.installed" -nt "$lock" ]; then return; fi
    .venv/bin/python -m venv --clear --without-pip "$venv"
    .venv/bin/python -m pip --python "$venv" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    touch "$venv/.installed"
}

node_clients() {
    if [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ]; then return; fi
    (cd "$1" && npm ci --silent)
}

# All at once: each spends most of its time on one core or waiting.
running=
for lock in "$locks"/*.txt; do
    python_clients "$lock" &
    running="$running $!"
done
if command -v npm >/dev/null; then
    for folder in protocol_tests/clients/typescript protocol_tests/official; do
        node_clients "$folder" &
        running="$running $!"
    done
else
    echo "npm is not there: tests with TypeScript clients and the conformance suite are skipped. Install Node.js 20." >&2
fi
for job in $running; do
    wait "$job"
done
