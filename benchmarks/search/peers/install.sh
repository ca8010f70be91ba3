#!/bin/sh
# Installs what only the comparison needs, in a place of its own, from locked versions.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
venv=$root/.cache/benchmarks/search
lock=$here/peers.txt

if ! [ "$venv/.installed" -nt "$lock" ]; then
    "$root/.venv/bin/python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    touch "$venv/.installed"
fi
