"""What a test hears of a browser that does not start, a tab that crashes, a browser that dies."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.browser.chromium import LAUNCH, Browser, BrowserFailed, browser, find_browser


def test_a_browser_that_does_not_start_says_why(tmp_path: Path) -> None:
    command = tmp_path / "browser"
    command.write_text("#!/bin/sh\necho no room left >&2\nexit 3\n")
    command.chmod(0o700)

    with (
        browser(str(command), tmp_path) as started,
        pytest.raises(BrowserFailed, match="has ended with code 3; it said: no room left"),
    ):
        started.tab()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"},
    reason="launch.py knows no other machine",
)
def test_a_browser_does_not_hear_of_the_network_and_has_its_pipes() -> None:
    asks = "import os, socket; os.write(4, os.read(3, 9)); socket.socket(socket.AF_INET).close();"
    asks += "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"
    (read, told), (heard, write) = os.pipe(), os.pipe()
    # Above the numbers that they get.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read, write)]
    os.write(told, b"a command")

    launched = subprocess.run(
        [sys.executable, "-I", str(LAUNCH), *map(str, ends), sys.executable, "-c", asks],
        check=False,
        pass_fds=ends,
        stderr=subprocess.PIPE,
        text=True,
    )

    # First those that write: where nothing was answered, nothing is waited for.
    for end in (write, *ends):
        os.close(end)
    answer = os.read(heard, 9)
    for end in (read, told, heard):
        os.close(end)
    assert (answer, launched.returncode) == (b"a command", 1), launched.stderr
    assert "OSError: [Errno 97]" in launched.stderr


def test_a_tab_that_crashes_says_so_and_leaves_the_others(chromium: Browser) -> None:
    tab, other = chromium.tab(), chromium.tab()

    with pytest.raises(BrowserFailed, match="the tab has crashed"):
        tab.call("Page.crash")
    with pytest.raises(BrowserFailed, match="the tab has crashed"):
        tab.wait("true")

    assert other.evaluate("1 + 1") == 2
    other.close()


def test_a_browser_that_dies_says_so_and_leaves_no_process(
    chromium: Browser, tmp_path: Path
) -> None:
    with browser(str(find_browser(os.environ)), tmp_path) as started:
        tab = started.tab()
        family = [each for each in psutil.process_iter() if _is_of(each, tmp_path)]
        first = min(family, key=lambda each: each.create_time())
        first.kill()
        with pytest.raises(BrowserFailed, match="has ended with code -9"):
            tab.wait("false")

    assert len(family) > 1
    end = time.monotonic() + 60
    while left := [each for each in family if _is_of(each, tmp_path)]:
        assert time.monotonic() < end, left
        time.sleep(0.01)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    try:
        is_left = process.status() != psutil.STATUS_ZOMBIE
        return is_left and any(str(folder) in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False
