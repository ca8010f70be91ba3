#!/bin/sh
# Writes the lock files anew. They carry hashes and name no registry.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --no-annotate "$@"
}
compile pyproject.toml requirements/build.in --extra kafka --group dev -o requirements/dev.txt
compile pyproject.toml requirements/build.in -c requirements/dev.txt -o requirements/run.txt
compile --no-deps requirements/semantic.in -o requirements/semantic.txt
compile_peer() {
    compile "benchmarks/protocol/peers/python/$1.in" -o "benchmarks/protocol/peers/python/$1.txt"
}
compile_peer sdk
compile_peer fastmcp
compile benchmarks/search/peers/peers.in -o benchmarks/search/peers/peers.txt
sh scripts/test_clients.sh lock
