"""The command ``cv_driver``: ``train`` with driver mode forced, as the same process."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Become ``train --driver``; the exit code is then its own."""
    os.execv(  # noqa: S606 - no shell: this very interpreter, isolated as it is here
        sys.executable, [sys.executable, "-Iu", "-m", "train", "--driver", *sys.argv[1:]]
    )


if __name__ == "__main__":
    raise SystemExit(main())
