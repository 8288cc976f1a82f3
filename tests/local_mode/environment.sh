#!/usr/bin/env bash
# Make the virtual environment of one version of the SageMaker SDK, if need be; print its Python.
#   tests/local_mode/environment.sh 2
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pins=$root/requirements/sdk$1.txt
venv=$root/build/sdk$1
if ! cmp --silent "$pins" "$venv/installed.txt"; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$pins" >&2
    cp "$pins" "$venv/installed.txt"
fi
echo "$venv/bin/python"
