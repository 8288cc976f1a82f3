#!/usr/bin/env bash
# Serve the model that train_local.sh or cv_local.sh left, in a container of any image.
#   local_test/serve_local.sh IMAGE [WORDS…]      then, elsewhere, local_test/predict.sh
# OPT_ML, PORT (8080) and DOCKER_ARGS, such as "--env SAGEMAKER_BATCH=true", may be set.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: $0 IMAGE [WORDS…]" >&2
    exit 2
fi
image=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=${OPT_ML:-$here/opt_ml}/model
if [ ! -d "$model" ] || [ -z "$(ls -A "$model")" ]; then
    echo "there is no model in $model; run $here/train_local.sh $image first" >&2
    exit 1
fi

model=$(cd "$model" && pwd)
# shellcheck disable=SC2086 # DOCKER_ARGS are words
exec docker run --rm --volume "$model:/opt/ml/model:ro" \
    --publish "${PORT:-8080}:8080" ${DOCKER_ARGS:-} "$image" serve "${@:2}"
