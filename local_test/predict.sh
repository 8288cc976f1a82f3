#!/usr/bin/env bash
# Send a payload to a server, such as the one that `make serve` starts, and show its answer.
#   local_test/predict.sh [PAYLOAD] [ACCEPT]     local_test/predict.sh my.csv application/json
# PORT and CONTENT_TYPE may be set; by default the file's suffix says the type.
set -euo pipefail

payload=${1:-"$(dirname "${BASH_SOURCE[0]}")/payloads/diabetes.csv"}
accept=${2:-text/csv}
case $payload in
    *.json) by_suffix=application/json ;;
    *.jsonl) by_suffix=application/jsonlines ;;
    *.libsvm) by_suffix=text/libsvm ;;
    *.npy) by_suffix=application/x-npy ;;
    *.parquet) by_suffix=application/x-parquet ;;
    *) by_suffix=text/csv ;;
esac

exec curl --silent --show-error --fail-with-body --write-out '\n' \
    --header "Content-Type: ${CONTENT_TYPE:-$by_suffix}" --header "Accept: $accept" \
    --data-binary "@$payload" "http://localhost:${PORT:-8080}/invocations"
