"""The command ``serve``; this version trains only, and says so instead of answering wrongly."""

from __future__ import annotations

import sys


def main() -> int:
    """Refuse: serving is not part of this version."""
    sys.stderr.write(
        "serve: this version of crossfold trains and cross-validates but does not serve yet; "
        "load the model folder with crossfold.persistence to predict\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
