"""A private view of the machine for one process: its own ``/opt/ml``, its own process numbers.

A program that names ``/opt/ml/…`` literally can run without a container where Linux lets us have
mount and process namespaces: as root, or as a user whose system allows user namespaces.  Nothing
is changed outside of them, not even ``/opt`` where it has no ``ml``.

Sources: unshare(1), mount(8), pid_namespaces(7).
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

# --kill-child: whoever ends `unshare` ends the namespace, and with it every process in it.
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_AS_USER = ("--user", "--map-root-user")
# It takes milliseconds; a busy machine shall not be taken for one that has none.
_PROBE_S = 60.0

# $1 an empty folder, $2 what shall be /opt/ml, $3 folders below it to make read-only, $4 whether
# the network is ours; then the program.  What else is in /opt stays where it is.
_INSIDE = """\
set -e
stage=$1 tree=$2 read_only=$3 own_network=$4
shift 4
if [ ! -d /opt/ml ]; then
    mount -t tmpfs -o mode=755 none "$stage"
    for entry in /opt/* /opt/.[!.]*; do
        copy=$stage/${entry##*/}
        if [ -L "$entry" ]; then
            cp -P "$entry" "$copy"
        elif [ -d "$entry" ]; then
            mkdir "$copy"
            mount --rbind "$entry" "$copy"
        elif [ -e "$entry" ]; then
            : > "$copy"
            mount --bind "$entry" "$copy"
        fi
    done
    mkdir "$stage/ml"
    mount --move "$stage" /opt
fi
mount --rbind "$tree" /opt/ml
for folder in $read_only; do
    mount --bind "/opt/ml/$folder" "/opt/ml/$folder"
    mount -o remount,bind,ro "/opt/ml/$folder"
done
if [ "$own_network" = yes ] && command -v ip > /dev/null; then
    ip link set lo up
fi
exec "$@"
"""


class Namespaces:
    """Puts programs into namespaces of their own, where this machine can."""

    @functools.cached_property
    def options(self) -> tuple[str, ...] | None:
        """The words that start one, tried out at the first use; None where there is no way."""
        for options in (_UNSHARE, (*_UNSHARE, *_AS_USER)):
            # The network is tried too, for isolated jobs.
            words = [*options, "--net", "mount", "-t", "tmpfs", "none", "/mnt"]
            try:
                ended = subprocess.run(  # noqa: S603 - a list of words, no shell
                    words, capture_output=True, timeout=_PROBE_S, check=False
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            if ended.returncode == 0:
                return options
        return None

    def wrap(
        self,
        words: Sequence[str],
        opt_ml: Path,
        stage: Path,
        *,
        read_only: Sequence[str],
        has_network: bool,
    ) -> list[str]:
        """Return the words that run `words` with `opt_ml` at ``/opt/ml``.

        `stage` is an empty folder that the start needs; it stays empty.
        """
        assert self.options is not None
        return [
            *self.options,
            *(() if has_network else ("--net",)),
            *("/bin/sh", "-c", _INSIDE, "sh"),
            *(str(stage), str(opt_ml), " ".join(read_only), "no" if has_network else "yes"),
            *words,
        ]
