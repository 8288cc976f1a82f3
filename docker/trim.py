"""Remove from a virtual environment what neither the commands nor a user's script can use.

A rule names files below ``site-packages``; each has its reason and must match something, so that
the list cannot outlive the wheels it was written for.  What is left keeps the bits of its wheel.
Measured with the wheels for x86-64 of requirements/runtime.txt: 175 MB of pyarrow become 105.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

RULES = {
    "tests of the libraries": (
        "*/**/tests",
        "joblib/test",
        "pyarrow/_pyarrow_cpp_tests.*",
        "pyarrow/conftest.py",
    ),
    "inputs of a C or Cython compiler, of which the image has none": (
        "*/**/*.[ach]",
        "*/**/*.[ch]pp",
        "*/**/*.cc",
        "*/**/*.px[di]",
        "*/**/*.pyx",
        "*/**/*.tp",
        "pyarrow/include",
        "pyarrow/src",
    ),
    "copies of one library: the loader asks for libarrow_python.so.<number> only": (
        "pyarrow/libarrow_python*.so",
        "pyarrow/libarrow_python*.so.*.*.*",
    ),
    "a network protocol of its own; a job's data are files": (
        "pyarrow/_flight.*",
        "pyarrow/flight.py",
        "pyarrow/libarrow_flight.so.*",
        "pyarrow/libarrow_python_flight.so.*",
    ),
    "file systems of clouds; SageMaker brings channels as files": (
        "pyarrow/_azurefs.*",
        "pyarrow/_gcsfs.*",
        "pyarrow/_hdfs.*",
        "pyarrow/_s3fs.*",
        "pyarrow/libarrow_s3.so.*",
    ),
}


def main() -> int:
    """Trim the environment that runs this; print what each rule saved."""
    site = Path(sysconfig.get_path("purelib"))
    stale = [pattern for rule in RULES.values() for pattern in rule if not any(site.glob(pattern))]
    for reason, patterns in RULES.items():
        n_bytes = sum(_remove(path) for pattern in patterns for path in _found(site, pattern))
        print(f"{n_bytes / 1e6:7.1f} MB  {reason}")
    for pattern in stale:
        print(f"docker/trim.py: {pattern!r} matches nothing below {site}; mend or drop the rule")
    return 1 if stale else 0


def _found(site: Path, pattern: str) -> Iterator[Path]:
    """Yield what is there still: an earlier match may have been its parent."""
    yield from (path for path in sorted(site.glob(pattern)) if path.exists())


def _remove(path: Path) -> int:
    """Remove a file or a folder; return its size in bytes."""
    if not path.is_dir():
        n_bytes = path.stat().st_size
        path.unlink()
        return n_bytes
    n_bytes = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    shutil.rmtree(path)
    return n_bytes


if __name__ == "__main__":
    sys.exit(main())
