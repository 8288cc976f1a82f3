"""``python -m local_test.control_plane.watch``: the jobs of a plane, live.

On a terminal the view moves; anywhere else each thing that happens is a line.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live

from local_test.control_plane.view.events import events
from local_test.control_plane.view.progress import Progress
from local_test.control_plane.view.snapshot_shape import Snapshot, read_snapshot
from local_test.control_plane.view.terminal import render

_EVERY_S = 0.5
_TIMEOUT_S = 30
# The last lines of a terminal that the view leaves free, for the prompt and the cursor.
_FREE_LINES = 2


class NoPlane(Exception):
    """Nothing that is a plane answers there."""


class Screen(Protocol):
    """Shows one snapshot after the other."""

    def show(self, progress: Progress) -> None:
        """Show what is new."""
        ...

    def close(self) -> None:
        """Leave the whole last view behind."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Show what the plane has until Ctrl-C, or until nothing of it runs any more."""
    given = _parser(os.environ).parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a bar still shows the numbers.
        sys.stdout.reconfigure(errors="replace")
    had_jobs = False

    def is_over(snapshot: Snapshot) -> bool:
        nonlocal had_jobs
        had_jobs = had_jobs or not snapshot.is_empty
        return bool(given.until_idle and had_jobs and snapshot.is_idle)

    try:
        watch(lambda: fetch_snapshot(given.url), screen_for(Console()), is_over=is_over)
    except NoPlane as error:
        print(f"watch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def watch(
    fetch: Callable[[], Snapshot],
    screen: Screen,
    *,
    is_over: Callable[[Snapshot], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show what `fetch` returns until it `is_over`.

    Raises
    ------
    NoPlane
        `fetch` found none; what was shown stays.
    """
    try:
        while True:
            snapshot = fetch()
            screen.show(Progress(snapshot))
            if is_over(snapshot):
                return
            sleep(_EVERY_S)
    finally:
        screen.close()


def fetch_snapshot(url: str) -> Snapshot:
    """Ask the plane at `url`.

    Raises
    ------
    NoPlane
        Nothing listens there, or what answers is no plane.
    """
    parts = urlsplit(url)
    start = "start one with `python -m local_test.control_plane`, or name another with --url"
    if parts.scheme != "http" or parts.hostname is None:
        raise NoPlane(f"{url!r} is not an address such as http://127.0.0.1:8765")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/_plane/snapshot")
        return read_snapshot(json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException) as error:
        raise NoPlane(f"no control plane answers at {url} ({error}); {start}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoPlane(f"what answers at {url} is no control plane; {start}") from error
    finally:
        connection.close()


def screen_for(console: Console) -> Screen:
    """Return a screen that moves where the console can, else one of plain lines."""
    return (
        _Moving(console)
        if console.is_terminal and not console.is_dumb_terminal
        else _Lines(console)
    )


class _Moving:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        if self._progress is None:
            self._live.start()
        self._progress = progress
        width, height = self._console.size
        view = render(progress, width=width, height=height - _FREE_LINES)
        self._live.update(view, refresh=True)

    def close(self) -> None:
        if self._progress is None:
            return
        self._live.vertical_overflow = "visible"
        self._live.update(render(self._progress, width=self._console.width), refresh=False)
        self._live.stop()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        for line in events(self._progress, progress):
            # A line is a line, however narrow the file is thought to be.
            self._console.out(line, highlight=False)
        self._progress = progress
        self._console.file.flush()

    def close(self) -> None:
        pass


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    # What the plane told its clients to export; its default port elsewhere.
    url = environ.get("AWS_ENDPOINT_URL") or "http://127.0.0.1:8765"
    parser = argparse.ArgumentParser(
        prog="python -m local_test.control_plane.watch", description="Show a plane's jobs, live."
    )
    parser.add_argument("--url", default=url, help="the plane (default: %(default)s)")
    parser.add_argument(
        "--until-idle",
        action="store_true",
        help="end once there are jobs and none of them runs; otherwise Ctrl-C ends the view",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
