"""One browser and one plane for all tests; without `make test-browser` they are left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import boto3
import pytest

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.browser.chromium import Browser, Tab, browser, find_browser
from tests.browser.page_jobs import Jobs
from tests.conftest import ROOT
from tests.control_plane.served_page import ServedPage
from tests.serving import free_port

NOT_ASKED = "a browser is slow to start; say `make test-browser`"
NO_BROWSER = (
    "NO BROWSER, THE PAGE IS NOT TESTED: install Debian's chromium, or let CHROMIUM name one"
)

Open = Callable[..., Tab]
Serve = Callable[..., ServedPage]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run a browser while tests want it."""
    if not os.environ.get("CROSSFOLD_BROWSER"):
        pytest.skip(NOT_ASKED)
    command = find_browser(os.environ)
    if command is None and os.environ.get("CI"):
        pytest.fail(NO_BROWSER)
    if command is None:
        pytest.skip(NO_BROWSER)
    with browser(command, tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def serve(chromium: Browser) -> Iterator[Serve]:
    """Serve simulated planes, each until the pages that `opened` has opened are closed."""
    with ExitStack() as stack:
        yield lambda plane=None: stack.enter_context(closing(ServedPage(plane)))


@pytest.fixture
def opened(chromium: Browser, serve: Serve) -> Iterator[Open]:
    """Open pages; none may have complained, nor asked anyone but 127.0.0.1, when the test ends.

    A page whose plane is gone complains, so that `serve` is asked for, and ended after this;
    `script` is run in the page before its own.
    """
    tabs: list[Tab] = []

    def open_page(
        url: str, *, width: int = 1280, height: int = 900, title: str = "", script: str = ""
    ) -> Tab:
        tab = chromium.tab(width, height)
        tabs.append(tab)
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        tab.go(url)
        tab.wait(f"document.querySelector('h1')?.innerText.includes({title!r})")
        return tab

    yield open_page
    complaints = [each for tab in tabs for each in tab.complaints]
    requests = [each for tab in tabs for each in tab.requests]
    for tab in tabs:
        tab.close()
    assert complaints == []
    assert requests
    assert [each for each in requests if not each.startswith("http://127.0.0.1:")] == []


@pytest.fixture(scope="session")
def plane(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    """Run a real plane while tests want it."""
    folder = tmp_path_factory.mktemp("plane")
    command = [sys.executable, "-m", "local_test.control_plane", "--port", str(free_port())]
    command += ["--root", str(folder / "root"), "--grace", "5"]
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        with plane_process(command, folder / "plane.log", ready_s=300.0) as running:
            yield running
    finally:
        os.chdir(here)


@pytest.fixture(scope="session")
def jobs(plane: RunningPlane) -> Jobs:
    """Create jobs on the plane, as a user's script does."""
    exports = plane.exports
    session = boto3.Session(
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        region_name=exports["AWS_REGION"],
    )
    return Jobs(session, plane.url)


@pytest.fixture
def served(serve: Serve) -> ServedPage:
    """Serve a simulated plane whose jobs the test makes up."""
    return serve()
