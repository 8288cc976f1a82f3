#!/usr/bin/env bash
# Cross-validate in a container: the same job as train_local.sh, five folds unless it says otherwise.
#   local_test/cv_local.sh IMAGE [WORDS…]
# The image must have the command cv_driver, as every image made from ours has.
set -euo pipefail

CALLED_AS=$0 COMMAND=cv_driver exec "$(dirname "${BASH_SOURCE[0]}")/train_local.sh" "$@"
