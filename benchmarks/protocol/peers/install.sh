#!/bin/sh
# Installs the servers that ours is measured beside, each in a place of its own, from locked versions.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
cache=$root/.cache/benchmarks

for name in sdk fastmcp; do
    venv=$cache/$name
    lock=$here/python/$name.txt
    if ! [ "$venv/.installed" -nt "$lock" ]; then
        "$root/.venv/bin/python" -m venv --clear "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
        touch "$venv/.installed"
    fi
done

if ! command -v npm >/dev/null; then
    echo "npm is not there: nothing is measured beside the TypeScript SDK. Install Node.js 20." >&2
    exit 0
fi
mkdir -p "$cache/typescript"
cd "$cache/typescript"
# Beside their packages, for that is where Node looks for these.
cp "$here"/typescript/*.mjs .
if ! cmp -s "$here/typescript/package-lock.json" package-lock.json || ! [ -d node_modules ]; then
    cp "$here/typescript/package.json" "$here/typescript/package-lock.json" "$here/typescript/.npmrc" .
    npm ci --silent
fi
