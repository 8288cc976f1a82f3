"""``python -m local_test.control_plane.rehearse``: a whole tuning job on this machine.

A plane is started, a user's script runs against it, the view shows its jobs, and the model of the
best trial is unpacked.  Nothing is left running.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from local_test.control_plane.plane_process import PlaneFailed, free_port, plane_process
from local_test.control_plane.root_folder import RootInUse, own
from local_test.control_plane.storage.unpacking import extract_all
from local_test.control_plane.watch import NoPlane, fetch_snapshot, screen_for, watch

_REPOSITORY = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).parent / "examples" / "tune_with_boto3.py"
# What a rehearsal writes below its root.
_WRITTEN = frozenset({"best", "model.tar.gz", "plane", "plane.log", "script.log"})
# Seconds between SIGTERM and SIGKILL of a job; the service's 120 would make Ctrl-C a long wait.
_GRACE_S = "10"
_SCRIPT_S = 30.0
_NEXT = """\
what to type next
  serve the best model, on http://localhost:8080
    SAGEMAKER_BASE_DIR={best} {python} -Iu -m serve
  keep a control plane, and look at it from another terminal or a browser
    {python} -m local_test.control_plane
    {python} -m local_test.control_plane.watch      # or http://127.0.0.1:8765/_plane/ in a browser
  run this script, or one of your own, on it: paste the export lines that it prints, then
    {python} {script}"""


class RehearsalFailed(Exception):
    """The user's script did not come to its end."""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Rehearse; 0 once the best model is there and nothing runs any more."""
    given = _parser().parse_args(argv)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a file in every shell
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        arguments = ["--trials", str(given.trials), "--launcher", given.launcher]
        rehearse(given.root.absolute(), arguments, environ)
    except NoPlane as error:
        log = _shown(given.root / "plane.log")
        print(f"rehearse: the control plane went away ({error}); see {log}", file=sys.stderr)
        return 1
    except (PlaneFailed, RehearsalFailed, RootInUse) as error:
        print(f"rehearse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rehearse: interrupted; nothing is left running", file=sys.stderr)
        return 130
    return 0


def rehearse(root: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run the user's script on a plane of its own below `root` and tell what came out.

    Raises
    ------
    PlaneFailed, NoPlane, RehearsalFailed, RootInUse
        Something did not work; nothing is left running.
    """
    began = time.monotonic()
    plane_root, model = root / "plane", root / "model.tar.gz"
    _empty(root, plane_root)
    command = [sys.executable, "-m", "local_test.control_plane", "--port", str(free_port())]
    command += ["--grace", _GRACE_S, "--root", str(plane_root)]
    print(f"$ {' '.join(_shown(word) for word in command)}")
    with plane_process(command, root / "plane.log") as plane:
        ready_s = time.monotonic() - began
        print(f"the control plane is ready after {ready_s:.1f} s on {plane.url}")
        print(f"watch it in a browser, as long as it runs: {plane.url}/_plane/\n")
        print(f"$ {_shown(sys.executable)} {_shown(_SCRIPT)}\n", flush=True)
        script = [sys.executable, str(_SCRIPT), *arguments, "--save-model", _shown(model)]
        said = _run_watched(script, {**_bare(environ), **plane.exports}, plane.url, root)
    print(f"\nthe script said\n{said}")
    best = _unpack(model, root / "best")
    seconds = time.monotonic() - began
    print(f"took {seconds:.0f} s from start to end; the plane and all its jobs have ended\n")
    print(_next_steps(best))


def _empty(root: Path, plane_root: Path) -> None:
    """Remove an earlier rehearsal; never anything else, and never under a plane that runs."""
    strange = [path.name for path in root.glob("*") if path.name not in _WRITTEN]
    if strange:
        raise RehearsalFailed(
            f"{_shown(root)} is emptied first, and has {strange[0]!r} that no rehearsal wrote; "
            "give --root another folder"
        )
    with own(plane_root):
        pass
    shutil.rmtree(root)
    plane_root.mkdir(parents=True)


def _run_watched(script: Sequence[str], environ: Mapping[str, str], url: str, root: Path) -> str:
    """Run the script to its end beside the view; return what it printed."""
    log = root / "script.log"
    with _script(script, environ, log) as process:
        watch(
            lambda: fetch_snapshot(url),
            screen_for(Console()),
            is_over=lambda _: process.poll() is not None,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode != 0:
        raise RehearsalFailed(f"the script ended with exit code {process.returncode}:\n{text}")
    return text


@contextlib.contextmanager
def _script(
    command: Sequence[str], environ: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            list(command),
            env=dict(environ) | {"PYTHONIOENCODING": "utf-8"},
            cwd=_REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            # As Ctrl-C would: the script stops its tuning job.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_SCRIPT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _unpack(archive: Path, best: Path) -> Path:
    """Unpack the model to where `serve` looks for it; return the folder above."""
    with tarfile.open(archive) as tar:
        extract_all(tar, best / "model")
    return best


def _next_steps(best: Path) -> str:
    return _NEXT.format(best=_shown(best), python=_shown(sys.executable), script=_shown(_SCRIPT))


def _bare(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep the machine's settings, and nobody's account or profile."""
    return {name: text for name, text in environ.items() if not name.startswith("AWS_")}


def _shown(path: str | Path) -> str:
    """Return a path below the repository as one types it there; any other word as it is."""
    inside = Path(path).is_relative_to(_REPOSITORY)
    return str(Path(path).relative_to(_REPOSITORY) if inside else path)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_test.control_plane.rehearse",
        description="Run a small tuning job of cross-validated trials on this machine.",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=_REPOSITORY / "build" / "rehearsal",
        help="folder for everything that is written; emptied first (default: build/rehearsal)",
    )
    parser.add_argument("--trials", type=int, default=6, help="default: %(default)s")
    parser.add_argument(
        "--launcher",
        choices=("inline", "sagemaker"),
        default="inline",
        help="fit the folds in the trial's own job (the default), or as jobs beside it",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
