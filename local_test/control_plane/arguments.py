"""The command line of the plane."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from local_test.control_plane.settings import Settings
from local_test.control_plane.training.machine import Timings

_ABOUT = """\
A SageMaker on 127.0.0.1 that really runs training and tuning jobs.

It prints one `export NAME=value` line for each variable that a client needs, then `ready`, and
serves until Ctrl-C, which ends every job."""


def settings_of(argv: Sequence[str]) -> Settings:
    """Read the command line; a mistake ends the program with one line that says what is allowed."""
    given = _parser().parse_args(argv)
    return Settings(
        root=given.root.absolute(),
        port=given.port,
        region=given.region,
        executor=given.executor,
        image=given.image,
        docker=given.docker,
        has_published_rates=given.rates == "published",
        lag_s=given.lag,
        quotas=dict(given.quota),
        timings=Timings(starting_s=given.starting, stop_grace_s=given.grace),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_test.control_plane",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=8765, help="port on 127.0.0.1 (default: %(default)s)")
    add(
        "--root",
        type=Path,
        default=Path("build/control_plane"),
        help="folder for buckets, jobs and logs; a plane that starts on it again goes on "
        "(default: %(default)s)",
    )
    add("--region", default="us-east-1", help="region in ARNs (default: %(default)s)")
    add(
        "--executor",
        choices=["process", "docker"],
        default="process",
        help="run this checkout's `train` as a child process, or `docker run` the request's image "
        "(default: %(default)s)",
    )
    add("--image", help="an image that is run whatever a request names (docker executor)")
    add("--docker", default="docker", help="the Docker client (default: %(default)s)")
    _add_conditions(parser)
    return parser


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add what makes the plane as slow, as scarce and as strict as the cloud."""
    add = parser.add_argument
    add(
        "--rates",
        choices=["published", "off"],
        default="off",
        help="throttle calls at the service's published rates (default: %(default)s)",
    )
    add(
        "--quota",
        type=_quota,
        action="append",
        default=[],
        metavar="TYPE=N",
        help="let at most N instances of a type run at once, such as ml.m5.large=2 (may be given "
        "again)",
    )
    add("--lag", type=_seconds, default=0.0, help="seconds that Describe and List lag behind")
    add("--starting", type=_seconds, default=0.0, help="seconds that a job's instances take")
    add(
        "--grace",
        type=_seconds,
        default=120.0,
        help="seconds between SIGTERM and SIGKILL of a stop (default: %(default)s, as the service)",
    )


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 1 to 65535")
    return port


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, at least 0")
    return seconds


def _quota(text: str) -> tuple[str, int]:
    kind, _, count = text.partition("=")
    if not (kind.startswith("ml.") and count.isascii() and count.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not TYPE=N, such as ml.m5.large=2")
    return kind, int(count)
