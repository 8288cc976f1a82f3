"""Run a command of ours, or imports alone, with the packages of the image only.

    python -Iu bench/lean.py run train
    python -Iu bench/lean.py import numpy lightgbm

The peers need pandas, Polars and Matplotlib, and LightGBM and scikit-learn import pandas where they
find it.  The image has none of them, so neither the tool nor the bare interpreter that it is
compared with may find them.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder

_NOT_IN_THE_IMAGE = frozenset({"matplotlib", "pandas", "polars", "psutil"})


class ImageFinder(PathFinder):
    """Finds what the image has; the rest is as if it were not installed."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None) -> ModuleSpec | None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Look a module up, as the interpreter does."""
        return None if fullname in _NOT_IN_THE_IMAGE else super().find_spec(fullname, path, target)


def _run(module: str) -> None:
    import runpy

    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _import(*modules: str) -> None:
    for module in modules:
        __import__(module)


if __name__ == "__main__":
    sys.meta_path[:] = [ImageFinder if each is PathFinder else each for each in sys.meta_path]
    if sys.argv[1] == "run":
        _run(sys.argv[2])
    else:
        _import(*sys.argv[2:])
