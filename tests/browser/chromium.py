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
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

LAUNCH = Path(__file__).with_name("launch.py")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Of a cold disk or a busy machine; a browser that does what it is told needs none of them.
_ANSWER_S = 120.0
_WAIT_S = 60.0
_END_S = 30.0
_LAST_LINES = 5
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # CI is root in a container of its own, and the pages are ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",  # nobody looks at any of its windows
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
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


class Refused(BrowserFailed):
    """The page has no answer, as where what it is asked about is not there (yet, or any more)."""


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
    log = folder / "browser.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", str(LAUNCH), *map(str, ends), command),
                *_OPTIONS,
                f"--user-data-dir={folder / 'profile'}",
            ],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    for end in (commands[0], answers[1], *ends):
        os.close(end)
    with os.fdopen(commands[1], "wb", 0) as told, os.fdopen(answers[0], "rb") as heard:
        running = Browser(told, heard, lambda: _ended(process, log))
        try:
            yield running
        finally:
            _end(running, process)


def _ended(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return how the browser is, and what it said last."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)  # its end of the pipe closes a moment before it ends
    code = process.poll()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    how = "runs" if code is None else f"has ended with code {code}"
    return f"the browser {how}; it said: {' / '.join(lines) or 'nothing'}"


def _end(running: Browser, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrowserFailed):
        running.call("Browser.close")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    # Whatever is left of its processes would hold the pipe, and with it the thread that reads.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    running.join()


class Browser:
    """The browser's end of the pipe; every tab has a session on it."""

    def __init__(self, told: BinaryIO, heard: BinaryIO, how: Callable[[], str]) -> None:
        self._told = told
        self._heard = heard
        self._how = how
        self._arrived = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self._last = 0
        self._has_ended = False
        self._crashed: set[str] = set()
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Carry out one command and return its result.

        Raises
        ------
        Refused
            The browser says no.
        BrowserFailed
            It, or the tab, has ended, or it says nothing for 120 seconds.
        """
        with self._arrived:
            self._last += 1
            number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        # Where it has ended, the reader knows.
        with contextlib.suppress(BrokenPipeError):
            self._told.write(json.dumps(message).encode() + b"\0")
        with self._arrived:
            self._arrived.wait_for(
                lambda: number in self._answers or self._has_ended or session in self._crashed,
                _ANSWER_S,
            )
            answer = self._answers.pop(number, None)
        if answer is None:
            raise BrowserFailed(f"{method}: {self._silence(session)}")
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def tab(self, width: int = 1280, height: int = 900) -> Tab:
        """Open a tab; sizes in CSS pixels."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        self._tabs[session] = tab
        for domain in ("Page", "Runtime", "Log", "Network", "Inspector"):
            tab.call(f"{domain}.enable")
        # As if it were the window in front, whatever other tabs there are.
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.size(width, height)
        return tab

    def join(self) -> None:
        """Return once nothing of the browser is read any more."""
        self._reader.join()

    def _silence(self, session: str | None) -> str:
        if session in self._crashed:
            return "the tab has crashed"
        return f"no answer{'' if self._has_ended else f' in {_ANSWER_S:g} s'}; {self._how()}"

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
        elif message["method"] == "Inspector.targetCrashed":
            with self._arrived:
                self._crashed.add(message["sessionId"])
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
        """Open an address and wait for its document.

        Raises
        ------
        Refused
            Nobody answers there.
        """
        error = self.call("Page.navigate", url=url).get("errorText")
        if error is not None:
            raise Refused(f"{url}: {error}")
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, awaited where it is a promise.

        Raises
        ------
        Refused
            It threw.
        """
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            raise Refused(f"{expression}: {said}")
        return result["result"].get("value")

    def wait(self, claim: str, *, seconds: float = _WAIT_S) -> None:
        """Return once an expression is true; one that throws is not, as between two documents.

        Raises
        ------
        BrowserFailed
            It is not so after `seconds`; the message has what the page shows.
        """
        end = time.monotonic() + seconds
        while (why := self._denial(claim)) is not None:
            if time.monotonic() > end:
                raise BrowserFailed(
                    f"not so in {seconds:g} s: {claim}{why}\nthe page shows\n"
                    f"{self.evaluate('document.body?.innerText')}\nit says {self.complaints}"
                )
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

    def _denial(self, claim: str) -> str | None:
        """Return None where the claim holds, else what the page says to it."""
        try:
            return None if self.evaluate(claim) else ""
        except Refused as error:
            return f"\n{error}"
