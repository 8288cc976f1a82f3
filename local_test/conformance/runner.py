"""Runs cases in the order of what they need, each on a tree of its own."""

from __future__ import annotations

import http.client
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_test.conformance import answers, endings
from local_test.conformance.case import Case, Request, Stop
from local_test.conformance.case_files import CaseError
from local_test.conformance.endings import Ending
from local_test.conformance.exchange import Reply, Server, send, send_amid, under_load
from local_test.conformance.running import Backend, Running, Unavailable
from local_test.conformance.tree import READ_ONLY, fingerprint, is_job, lay_out

LOST = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case went: what is wrong with it, or why it was not run."""

    case: Case
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)
    skipped: str | None = None
    log: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was run and nothing was wrong."""
        return self.skipped is None and not self.complaints


class Runner:
    """Runs cases on one back-end.

    Parameters
    ----------
    cases : mapping of str to Case
        All that are known; a chosen one may need others.
    backend : Backend
    folder : Path
        Where the trees are laid out.
    """

    def __init__(self, cases: Mapping[str, Case], backend: Backend, folder: Path) -> None:
        self._cases = cases
        self._backend = backend
        self._folder = folder
        self._endings: dict[str, Ending] = {}
        self._outcomes: dict[str, Outcome] = {}

    def run(self, names: list[str]) -> Iterator[Outcome]:
        """Run the cases of these names, and before each what it needs; yield as they end."""
        for name in names:
            if name not in self._outcomes:
                yield from self.run(self._cases[name].needs)
                self._outcomes[name] = self._run(self._cases[name])
                yield self._outcomes[name]

    def _run(self, case: Case) -> Outcome:
        reason = self._backend.refuses(case)
        if reason is not None:
            return Outcome(case, skipped=reason)
        for name in case.needs:
            if self._outcomes[name].skipped is not None:
                return Outcome(case, skipped=f"needs {name!r}, which was skipped")
            # A case that only failed in some respect may well have left what is needed.
            if name not in self._endings:
                return Outcome(case, complaints=[f"needs {name!r}, which could not be run"])
        folder = self._folder / case.name
        shutil.rmtree(folder, ignore_errors=True)
        root = folder / "ml"
        root.mkdir(parents=True)
        try:
            lay_out(case, root, lambda name: self._endings[name].root)
            return self._run_on(case, root)
        except (CaseError, Unavailable, OSError) as error:
            return Outcome(case, complaints=[f"{type(error).__name__}: {error}"])

    def _run_on(self, case: Case, root: Path) -> Outcome:
        kept = READ_ONLY if is_job(case) else (*READ_ONLY, "model")
        before = fingerprint(root, kept)
        began = time.monotonic()
        with self._backend.start(case, root) as running:
            wrong = list(_conversation(case, running))
            exit_code, late = _end(case, running, began)
            seconds = time.monotonic() - began
            ending = Ending(root, exit_code, seconds, running.log)
        self._endings[case.name] = ending
        wrong += late
        wrong += endings.complaints_about(ending, case.expect, lambda name: self._endings[name])
        if fingerprint(root, kept) != before:
            wrong.append(f"files changed below {', '.join(kept)}, which are to be read only")
        return Outcome(case, seconds, wrong, log=ending.log)


def _conversation(case: Case, running: Running) -> Iterator[str]:
    """Send the requests of a server's case, in order."""
    if not case.is_server:
        return
    if not running.is_ready(case.ready_s):
        yield f"no 200 on GET /ping within {case.ready_s:g} s"
        return
    server = _server(running)
    named: dict[str, Reply] = {}
    with under_load(server, case.load) as wrong:
        deadline = time.monotonic() + (case.load.seconds if case.load else 0.0)
        is_first = True
        while is_first or time.monotonic() < deadline:
            is_first = False
            for request in case.requests:
                for _ in range(request.times):
                    yield from _asked(server, request, named)
    yield from sorted(set(wrong))


def _asked(server: Server, request: Request, named: dict[str, Reply]) -> Iterator[str]:
    where = f"{request.method} {request.path[:60]}{request.name and f' ({request.name})'}"
    try:
        reply = send(server, request)
    except LOST as error:
        yield f"{where}: no answer: {error!r}"
        return
    for complaint in answers.complaints_about(reply, request.expect, named):
        yield f"{where}: {complaint}"
    if request.name:
        named[request.name] = reply


def _end(case: Case, running: Running, began: float) -> tuple[int | None, list[str]]:
    """Wait for the end, or bring it about; return the exit code and what was wrong with it."""
    stop = case.stop or (Stop() if case.is_server else None)
    if stop is None:
        return running.wait(began + case.expect.seconds - time.monotonic()), []
    wrong: list[str] = []
    if stop.after is not None and not running.has_logged(stop.after, case.expect.seconds):
        wrong.append(f"no log line matched /{stop.after}/, so no signal was sent")
        return running.wait(0.0), wrong
    if stop.amid is not None and running.process.poll() is None:
        wrong += _stopped_amid(running, stop, stop.amid)
    else:
        running.send_signal(stop.signal)
    sent = time.monotonic()
    exit_code = running.wait(stop.within_s)
    if exit_code is None:
        taken = time.monotonic() - sent
        wrong.append(f"SIG{stop.signal}: still running after {taken:.1f} s")
    return exit_code, wrong


def _stopped_amid(running: Running, stop: Stop, request: Request) -> list[str]:
    try:
        reply = send_amid(_server(running), request, lambda: running.send_signal(stop.signal))
    except LOST as error:
        return [f"the request that SIG{stop.signal} met got no answer: {error!r}"]
    said = f"the request that SIG{stop.signal} met"
    return [f"{said}: {each}" for each in answers.complaints_about(reply, request.expect, {})]


def _server(running: Running) -> Server:
    return Server(running.find_port(), running.base)
