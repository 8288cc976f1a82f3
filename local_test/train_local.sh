#!/usr/bin/env bash
# Train in a container of any image, started as SageMaker starts it.
#   local_test/train_local.sh IMAGE [WORDS…]      local_test/train_local.sh crossfold:latest
# The job lies in local_test/opt_ml (or $OPT_ML) and is made at the first call; edit it as you like.
# What the container leaves is in its folders model and output.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: ${CALLED_AS:-$0} IMAGE [WORDS…]" >&2
    exit 2
fi
image=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${OPT_ML:-$here/opt_ml}"
opt_ml=$(cd "${OPT_ML:-$here/opt_ml}" && pwd)
command=${COMMAND:-train}

if [ ! -d "$opt_ml/input" ]; then
    python=$here/../.venv/bin/python
    [ -x "$python" ] || python=python3
    (cd "$here/.." && "$python" -m local_test.make_opt_ml "$opt_ml")
fi
mkdir -p "$opt_ml"/{model,output}
rm -rf "$opt_ml"/model/* "$opt_ml"/output/* "$opt_ml"/checkpoints/*
exec docker run --rm --volume "$opt_ml:/opt/ml" "$image" "$command" "${@:2}"
