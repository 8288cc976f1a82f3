#!/usr/bin/env bash
# Make a base for docker/Dockerfile from Debian's packages, for where no registry can be reached.
#   docker/base_image.sh NAME      docker/base_image.sh crossfold-base:trixie
# It leaves out what Debian's own slim images leave out.  Needs mmdebstrap and a Docker engine.
set -euo pipefail

left_out=(doc/\* man/\* info/\* locale/\*/LC_MESSAGES/\*)
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv \
    "${left_out[@]/#/--dpkgopt=path-exclude=/usr/share/}" --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    trixie - | "${DOCKER:-docker}" import --change 'CMD ["python3"]' - "$1"
