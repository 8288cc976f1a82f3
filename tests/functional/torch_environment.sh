#!/usr/bin/env bash
# Make build/torch: this checkout and .venv's packages with PyTorch, if pip has a wheel of it at hand.
# No index is asked for PyTorch itself: what most of them give brings gigabytes for GPUs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=build/torch
[ -e "$venv/installed" ] && exit
.venv/bin/python -m venv --clear "$venv"
install=("$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-compile)
if ! "${install[@]}" --no-index --no-deps torch 2>/dev/null; then
    rm -rf "$venv"
    echo "PyTorch is not at hand: pip's setting find-links leads to no wheel of it for $(.venv/bin/python -V)"
    exit
fi
"${install[@]}" torch
site=$(echo "$venv"/lib/python3.*/site-packages)
printf '%s\n' "$PWD/src" "$PWD"/.venv/lib/python3.*/site-packages >"$site/crossfold.pth"
touch "$venv/installed"
