"""A real browser without a window, driven over its own pipe: no driver, no package, no port.

Source: the Chrome DevTools Protocol, "Getting Started" (``--remote-debugging-pipe``: the browser
reads commands from descriptor 3 and writes to 4, JSON that ends with a zero byte) and its domains
Target, Page, Runtime, Input, Emulation, Log, Network and Accessibility.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ANSWER_S = 20.0
_END_S = 10.0
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # CI is root in a container of its own, and the pages are ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# Puts the two pipes where the browser looks for them, and becomes the browser.
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# A key's virtual code and the text that it types.
_KEYS: Mapping[str, tuple[int, str]] = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Space": (32, " "),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    "Delete": (46, ""),
}
_SHIFT = 8


class BrowserFailed(Exception):
    """The browser did not do what it was told."""


def find_browser(environ: Mapping[str, str]) -> str | None:
    """Return the browser to use: ``CHROMIUM``, or the first known one on the path."""
    named = environ.get("CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser(command: str, folder: Path) -> Iterator[Browser]:
    """Run a browser with a new profile in `folder` for the block."""
    commands, answers = os.pipe(), os.pipe()
    # Above the numbers that they shall get in the child.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands[0], answers[1])]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-Ic", _LAUNCH, *map(str, ends), command),
                *_OPTIONS,
                f"--user-data-dir={folder / 'profile'}",
            ],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    for end in (commands[0], answers[1], *ends):
        os.close(end)
    with os.fdopen(commands[1], "wb", 0) as told, os.fdopen(answers[0], "rb") as heard:
        running = Browser(told, heard)
        try:
            yield running
        finally:
            with contextlib.suppress(BrowserFailed, OSError):
                running.call("Browser.close")
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            running.join()


class Browser:
    """The browser's end of the pipe; every tab has a session on it."""

    def __init__(self, told: BinaryIO, heard: BinaryIO) -> None:
        self._told = told
        self._heard = heard
        self._arrived = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self._last = 0
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Carry out one command and return its result.

        Raises
        ------
        BrowserFailed
            It refuses, has ended, or says nothing for 20 seconds.
        """
        with self._arrived:
            self._last += 1
            number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self._told.write(json.dumps(message).encode() + b"\0")
        with self._arrived:
            self._arrived.wait_for(lambda: number in self._answers or self._has_ended, _ANSWER_S)
            answer = self._answers.pop(number, {"error": "no answer"})
        if "error" in answer:
            raise BrowserFailed(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def tab(self, width: int = 1280, height: int = 900) -> Tab:
        """Open a tab; sizes in CSS pixels."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        self._tabs[session] = tab
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.size(width, height)
        return tab

    def join(self) -> None:
        """Return once nothing of the browser is read any more."""
        self._reader.join()

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._heard.fileno(), 1 << 20):
            *messages, rest = (rest + chunk).split(b"\0")
            for message in messages:
                self._take(json.loads(message))
        with self._arrived:
            self._has_ended = True
            self._arrived.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            with self._arrived:
                self._answers[message["id"]] = message
                self._arrived.notify_all()
        elif (tab := self._tabs.get(message.get("sessionId", ""))) is not None:
            tab.take(message["method"], message["params"])


class Tab:
    """One page: what it shows, what it complained of, and what it asked for."""

    def __init__(self, owner: Browser, session: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._owner = owner
        self._session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out one command on this page; see `Browser.call`."""
        return self._owner.call(method, self._session, **parameters)

    def take(self, event: str, given: Mapping[str, Any]) -> None:
        """Note what the page did."""
        if event == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(given["exceptionDetails"]))
        elif event == "Log.entryAdded" and given["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
        elif event == "Runtime.consoleAPICalled" and given["type"] in {"error", "warning"}:
            self.complaints.append(json.dumps(given["args"]))

    def close(self) -> None:
        """Close the page, which frees its connections."""
        self.call("Page.close")

    def go(self, url: str) -> None:
        """Open an address and wait for its document."""
        self.call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, awaited where it is a promise.

        Raises
        ------
        BrowserFailed
            It threw.
        """
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise BrowserFailed(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, claim: str, *, seconds: float = 10.0) -> None:
        """Return once an expression is true.

        Raises
        ------
        BrowserFailed
            It is not so after `seconds`; the message has what the page shows.
        """
        end = time.monotonic() + seconds
        while not self._holds(claim):
            if time.monotonic() > end:
                shown = self.evaluate("document.body.innerText")
                raise BrowserFailed(f"not so in {seconds:g} s: {claim}\nthe page shows\n{shown}")
            time.sleep(0.02)

    def text(self, selector: str = "body") -> str:
        """Return the text that an element shows."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str, times: int = 1, *, shift: bool = False) -> None:
        """Press a key, as a keyboard does."""
        code, text = _KEYS[key]
        given: dict[str, Any] = {
            "key": " " if key == "Space" else key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": _SHIFT if shift else 0,
        }
        for _ in range(times):
            typed = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.call("Input.dispatchKeyEvent", **given, **typed)
            self.call("Input.dispatchKeyEvent", **given, type="keyUp")

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, *, is_dark: bool, is_still: bool = False) -> None:
        """Say what the person has chosen in the system."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if is_still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path, *, is_whole: bool = True) -> None:
        """Save what the page looks like, to its end where `is_whole`."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=is_whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def _holds(self, claim: str) -> bool:
        try:
            return bool(self.evaluate(claim))
        except BrowserFailed as error:
            # The page is between two documents.
            if "navigated" in str(error) or "context" in str(error).lower():
                return False
            raise
