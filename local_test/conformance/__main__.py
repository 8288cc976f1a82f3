"""The command: choose cases and a back-end, print the table, exit 1 when a case fails."""

from __future__ import annotations

import argparse
import fnmatch
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_test.conformance import table
from local_test.conformance.case import BACKENDS, Case
from local_test.conformance.case_files import CASES, CaseError, read_cases
from local_test.conformance.docker_backend import DockerBackend
from local_test.conformance.process_backend import ProcessBackend
from local_test.conformance.runner import Outcome, Runner
from local_test.conformance.running import Backend, Unavailable

NOTHING_TESTED = 2
"""Exit code where no case could be run at all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases; return 0, 1 when one failed, 2 when nothing could be tested."""
    options = _options(arguments)
    try:
        cases = read_cases(options.cases)
        names = _chosen(cases, options)
    except CaseError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return NOTHING_TESTED
    if options.list:
        print("\n".join(f"{name:<32}{cases[name].about}" for name in names))
        return 0
    try:
        backend = _backend(options)
    except Unavailable as error:
        print(f"conformance: SKIPPED, nothing was tested: {error}", file=sys.stderr)
        return NOTHING_TESTED
    return _run(cases, names, backend, options.keep)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local_test.conformance",
        description="Hold this checkout, or any container image, against SageMaker's contract.",
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, help="default: docker where --image is given"
    )
    parser.add_argument("--image", help="name of the image to run")
    parser.add_argument("--docker", default="docker", help="Docker's client")
    parser.add_argument("--network", help="network of the containers, such as host")
    parser.add_argument("--case", nargs="+", metavar="NAME", help="names; * and ? are allowed")
    parser.add_argument("--of", help="only the cases that are `of` this, such as sagemaker")
    parser.add_argument(
        "--cases", nargs="+", type=Path, default=[CASES], help="case files or folders of them"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave every tree and log in DIR")
    parser.add_argument("--list", action="store_true", help="print the cases and run none")
    return parser.parse_args(arguments)


def _chosen(cases: Mapping[str, Case], options: argparse.Namespace) -> list[str]:
    patterns: list[str] = options.case or ["*"]
    for pattern in patterns:
        if not fnmatch.filter(cases, pattern):
            raise CaseError(f"no case matches {pattern!r}; --list shows them all")
    return [
        name
        for name, case in cases.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        and options.of in (None, case.of)
    ]


def _backend(options: argparse.Namespace) -> Backend:
    if options.backend == "process" or (options.backend is None and options.image is None):
        return ProcessBackend()
    if options.image is None:
        raise Unavailable("--backend docker needs --image NAME")
    return DockerBackend(options.image, docker=options.docker, network=options.network)


def _run(cases: Mapping[str, Case], names: list[str], backend: Backend, keep: Path | None) -> int:
    began = time.monotonic()
    width = max((len(name) for name in cases), default=0)
    folder = Path(tempfile.mkdtemp(prefix="conformance-")) if keep is None else keep.resolve()
    outcomes: list[Outcome] = []
    try:
        for outcome in Runner(cases, backend, folder).run(names):
            print(table.line(outcome, width), flush=True)
            outcomes.append(outcome)
    finally:
        if keep is None:
            # A container's files may belong to root; what cannot be removed stays.
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table.failures(outcomes)))
    print(table.summary(outcomes, time.monotonic() - began))
    if any(outcome.complaints for outcome in outcomes):
        return 1
    return 0 if any(outcome.passed for outcome in outcomes) else NOTHING_TESTED


if __name__ == "__main__":
    raise SystemExit(main())
