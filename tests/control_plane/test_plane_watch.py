from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from local_test.control_plane import watch
from local_test.control_plane.plane_process import PlaneFailed, plane_process
from tests.control_plane.shown_jobs import document, search, training, trial, tuning
from tests.serving import free_port

Serve = Callable[[list[Any]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve snapshots, one a call and the last for ever; each is a document or a text."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: list[Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/_plane/snapshot"
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EVERY_S", 0)


def console(**how: Any) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=80, height=20, **how), file


@pytest.mark.usefixtures("no_pause")
def test_the_plane_of_the_environment_is_watched(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve([document(training_jobs=[training("one", "Completed")])])
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    assert watch.main(["--until-idle"]) == 0
    assert "one" in capsys.readouterr().out


def test_until_idle_waits_for_a_job_and_then_for_its_end(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(
        [
            document(now=0),
            document(training_jobs=[training("churn")], now=1),
            document(training_jobs=[training("churn", "Completed")], now=9),
        ]
    )

    assert watch.main(["--url", url, "--until-idle"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "00:00:02  churn: Training",
        "00:00:09  churn: Completed after 0:07",
    ]


def test_where_nothing_listens_it_says_how_to_start_a_plane(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert watch.main(["--url", url]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"watch: no control plane answers at {url} (")
    assert "python -m local_test.control_plane" in said


@pytest.mark.parametrize("answer", ["<html>", "[]", '{"tuning_jobs": []}'])
def test_another_server_is_no_plane(
    serve: Serve, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    assert watch.main(["--url", serve([answer])]) == 1
    assert "is no control plane" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["127.0.0.1:8765", "https://127.0.0.1", "file:///etc"])
def test_an_address_that_is_none_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.main(["--url", url]) == 1
    assert "is not an address such as http://127.0.0.1:8765" in capsys.readouterr().err


def test_a_plane_that_ends_leaves_what_was_seen(serve: Serve) -> None:
    url = serve([search(), "gone"])
    where, file = console(force_terminal=True, color_system=None)

    with pytest.raises(watch.NoPlane):
        watch.watch(
            lambda: watch.fetch_snapshot(url),
            watch.screen_for(where),
            is_over=lambda _: False,
            sleep=lambda _: None,
        )
    assert "trial 2 failed: AlgorithmError: eta is 1.5" in file.getvalue()


def test_the_moving_view_leaves_every_trial_behind(serve: Serve) -> None:
    trials = [trial(number, "Completed", value=number) for number in range(1, 60)]
    url = serve([document(tuning_jobs=[tuning(trials)])])
    where, file = console(force_terminal=True, color_system=None)

    screen = watch.screen_for(where)
    watch.watch(lambda: watch.fetch_snapshot(url), screen, is_over=lambda _: True)

    moving, _, left = file.getvalue().partition("ended trials are not shown here")
    assert " 30  Completed" not in moving
    assert " 30  Completed" in left


@pytest.mark.parametrize("terminal", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_gets_plain_lines(serve: Serve, terminal: str) -> None:
    url = serve([search()])
    where, file = console(force_terminal=True, _environ={"TERM": terminal})

    screen = watch.screen_for(where)
    watch.watch(lambda: watch.fetch_snapshot(url), screen, is_over=lambda _: True)

    assert "00:00:12  trial 3: 2 of 3 folds ended" in file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()


def python(code: str) -> list[str]:
    return [sys.executable, "-uc", code]


READY = "print('export AWS_ENDPOINT_URL=\\'http://127.0.0.1:1\\'\\nready')"


def test_a_plane_is_ready_with_its_variables_and_ends_with_the_block(tmp_path: Path) -> None:
    command = python(
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0))\n"
        f"{READY}; time.sleep(60)"
    )

    with plane_process(command, tmp_path / "log") as plane:
        assert plane.url == "http://127.0.0.1:1"
        assert psutil.pid_exists(plane.pid)
    assert not psutil.pid_exists(plane.pid)


def test_a_plane_that_ends_too_early_is_quoted(tmp_path: Path) -> None:
    command = python("raise SystemExit('control plane: port 80 is taken')")

    with (
        pytest.raises(PlaneFailed, match="exit code 1: control plane: port 80 is taken"),
        plane_process(command, tmp_path / "log"),
    ):
        pass


def test_a_plane_that_never_is_ready_is_ended(tmp_path: Path) -> None:
    command = ["sleep", "60"]
    before = set(psutil.Process().children())

    with (
        # Not that the signal ended it: a plane that begins does not listen to it yet.
        pytest.raises(PlaneFailed, match=r"was not ready in 0\.01 s"),
        plane_process(command, tmp_path / "log", ready_s=0.01),
    ):
        pass
    assert set(psutil.Process().children()) <= before


def test_what_a_plane_leaves_is_killed_and_said(tmp_path: Path) -> None:
    """The child ignores SIGTERM in a session of its own; so does its plane."""
    child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    command = python(
        f"import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        f"{READY}; time.sleep(60)"
    )
    family: list[psutil.Process] = []

    with (
        pytest.raises(PlaneFailed, match="left 1 processes and ended with code -9"),
        plane_process(command, tmp_path / "log", end_s=0.1) as plane,
    ):
        family += psutil.Process(plane.pid).children()
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert (len(gone), alive) == (1, [])
