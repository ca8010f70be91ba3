#!/bin/sh
# Builds the virtual environment from a lock file: environment.sh PYTHON VENV run|dev
set -eu
python=$1 venv=$2 lock=requirements/$3.txt

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed; this is $("$python" --version 2>&1). Try: make PYTHON=python3.11" >&2
    exit 2
fi
if ! [ -x "$venv/bin/python" ]; then
    echo "Building the environment in $venv (once; about a minute) ..." >&2
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv"
        echo "Python cannot create virtual environments here. On Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
