"""A case as a value: what lies where, what is started, what is sent, what must come of it.

Knows the words of a case file, not how anything is run.  README.md explains every word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Material = Mapping[str, Any]
"""What a file or a body holds: ``text``, ``json``, ``data`` or ``result_of``, and its details."""

BACKENDS = ("process", "docker")


@dataclass(frozen=True, slots=True)
class Answer:
    """What must come back from a request; None and empty mean that it does not matter.

    Attributes
    ----------
    status : int
    headers : mapping of str to str
        Header → regular expression that its value must match somewhere.
    body : str, optional
        Regular expression that the body must match somewhere.
    values : mapping of str to str
        Dotted path in a JSON body → regular expression for its value as JSON text.
    lines : int, optional
        Lines of the body; a newline at the very end counts for nothing.
    numbers_of : str, optional
        An earlier request of the case whose answer holds the same numbers, in whatever format.
    seconds, connect_s : float, optional
        At most, for the whole answer and for the connection to be accepted.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    lines: int | None = None
    numbers_of: str | None = None
    seconds: float | None = None
    connect_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.  `chunked` sends the body without Content-Length; `times` repeats it."""

    path: str
    name: str = ""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Material = field(default_factory=dict)
    chunked: bool = False
    times: int = 1
    expect: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class Stop:
    """A signal, sent at the first log line that matches, to a server after its last request.

    Attributes
    ----------
    after : str, optional
        Regular expression for the line; None for servers.
    signal : str
        ``TERM``, ``INT`` or ``KILL``.
    within_s : float
        The process must have ended so long after the signal.
    amid : Request, optional
        A request of which half the body is sent before the signal, and the rest after it.
    """

    after: str | None = None
    signal: str = "TERM"
    within_s: float = 30.0
    amid: Request | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that send a request over and over, while the case's are repeated for `seconds`."""

    request: Request
    clients: int = 8
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class SameLines:
    """Log lines that must be those of another case: `matching` picks them in both.

    Where neither has such lines, nothing is compared.
    """

    case: str
    matching: str


@dataclass(frozen=True, slots=True)
class Expect:
    """How a command must end.

    Attributes
    ----------
    exit_code : int, optional
    seconds : float
        At most, from start to end; the command is killed after that.
    files, no_files : list of str
        Glob patterns below the root that must match something, or nothing.
    failure : str, optional
        Regular expression for the first line of ``output/failure``, which must be there and say
        it within 1,024 characters.
    log, log_once, no_log : list of str
        Regular expressions that some line, exactly one line, or no line must match.
    values : mapping of str to mapping
        JSON file below the root → dotted path → regular expression for its value as JSON text.
    same_lines : SameLines, optional
    """

    exit_code: int | None = None
    seconds: float = 120.0
    files: list[str] = field(default_factory=list)
    no_files: list[str] = field(default_factory=list)
    failure: str | None = None
    log: list[str] = field(default_factory=list)
    log_once: list[str] = field(default_factory=list)
    no_log: list[str] = field(default_factory=list)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    same_lines: SameLines | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case; README.md beside this file explains the words."""

    name: str
    about: str
    of: str = "sagemaker"
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Material] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    working_directory: str | None = None
    read_only_input: bool = False
    read_only_root: bool = False
    network: str | None = None
    backends: list[str] = field(default_factory=lambda: list(BACKENDS))
    stop: Stop | None = None
    ready_s: float = 60.0
    load: Load | None = None
    requests: list[Request] = field(default_factory=list)
    expect: Expect = field(default_factory=Expect)

    @property
    def is_server(self) -> bool:
        """Whether something is sent to it, so that it has to answer /ping first."""
        return bool(self.requests) or (self.stop is not None and self.stop.amid is not None)

    @property
    def needs(self) -> list[str]:
        """Names of the cases whose results this one starts from or is compared with."""
        made = [each for name, each in self.files.items() if name not in self.absent]
        names = [str(each["result_of"]) for each in made if "result_of" in each]
        if self.expect.same_lines is not None:
            names.append(self.expect.same_lines.case)
        # Its own lines a case may name: those are what the others are compared with.
        return [name for name in dict.fromkeys(names) if name != self.name]
