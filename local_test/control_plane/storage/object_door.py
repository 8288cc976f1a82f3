"""Large objects between HTTP and the store by pieces; every other request goes to moto.

moto reads and answers with whole bodies, and keeps a request's until Python looks for cycles.  This
WSGI application stands before moto's.  It takes plain uploads and downloads of large objects; what
has a header or a parameter that it does not know (parts, versions, conditions, encryption, chunked
signatures) is moto's, whose answers it does not imitate.

Source: S3's API reference, "PutObject" and "GetObject".
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote

from local_test.control_plane.storage.aws import S3Uri, Store

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_LARGE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 18

_KEPT = ("CACHE_CONTROL", "CONTENT_DISPOSITION", "CONTENT_ENCODING", "CONTENT_LANGUAGE", "EXPIRES")
_META = "HTTP_X_AMZ_META_"
# Headers of a request that change nothing here: signatures, and checksums that moto does not check.
_IDLE = re.compile(
    r"HTTP_X_AMZ_(META_\w+|CONTENT_SHA256|DATE|SECURITY_TOKEN|USER_AGENT|CHECKSUM_\w+"
    r"|SDK_CHECKSUM_ALGORITHM)"
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ObjectDoor:
    """Stands before `application`, which serves S3 from the same store."""

    def __init__(self, application: Application, store: Store) -> None:
        self._application = application
        self._store = store

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        place = _plain_place(environ)
        method = environ["REQUEST_METHOD"]
        if place is not None and method == "PUT" and self._takes(place, environ):
            return self._put(place, environ, start_response)
        if place is not None and method == "GET" and self._size(place) >= _LARGE_BYTES:
            return self._get(place, environ, start_response)
        if _length(environ) >= _LARGE_BYTES or _completes_parts(environ):
            return self._pass_on_and_tidy(environ, start_response)
        return self._application(environ, start_response)

    def _takes(self, place: S3Uri, environ: Environ) -> bool:
        is_plain = not str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")).startswith("STREAMING")
        is_large = _length(environ) >= _LARGE_BYTES
        return is_plain and is_large and place.bucket in self._store.buckets()

    def _size(self, place: S3Uri) -> int:
        try:
            return self._store.size(place.bucket, place.key)
        except FileNotFoundError:
            return 0

    def _put(
        self, place: S3Uri, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        body = _Body(environ["wsgi.input"], _length(environ))
        self._store.write(place.bucket, place.key, body, metadata=_metadata(environ))
        # The answer's headers are those of the object, which moto knows.
        _, headers = self._head(environ)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response("200 OK", [*kept, ("Content-Length", "0")])
        return []

    def _get(
        self, place: S3Uri, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status, headers = self._head(environ)
        span = _span(environ.get("HTTP_RANGE", "bytes=0-"), self._size(place))
        if not status.startswith("200") or span is None:
            return self._application(environ, start_response)
        start, end = span
        try:
            file = self._store.read(place.bucket, place.key)
        except FileNotFoundError:
            return self._application(environ, start_response)
        if "HTTP_RANGE" in environ:
            status = "206 Partial Content"
            size = self._size(place)
            headers = [each for each in headers if not each[0].lower().startswith("x-amz-checksum")]
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        headers = [each for each in headers if each[0].lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(end - start))])
        return _pieces(file, start, end)

    def _head(self, environ: Environ) -> tuple[str, list[tuple[str, str]]]:
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            seen.append((status, headers))

        idle = {"HTTP_RANGE", "CONTENT_LENGTH", "CONTENT_TYPE"}
        asked = {name: value for name, value in environ.items() if name not in idle}
        list(self._application({**asked, "REQUEST_METHOD": "HEAD"}, start_response))
        return seen[0]

    def _pass_on_and_tidy(
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        # A copy: what the application leaves in it holds the body.
        answer = list(self._application(dict(environ), start_response))
        gc.collect()
        return answer


class _Body:
    """A request's body; one that ends early is an error, not a short object."""

    def __init__(self, file: Any, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int, /) -> bytes:
        data: bytes = self._file.read(min(size, self._left))
        self._left -= len(data)
        if not data and self._left:
            raise ConnectionError(f"the client ended {self._left} bytes before its body's end")
        return data


def _plain_place(environ: Environ) -> S3Uri | None:
    """Return the object of a request in path style that has nothing special."""
    is_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
    is_here = environ.get("HTTP_HOST", "").partition(":")[0] in {"127.0.0.1", "localhost"}
    parameters = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)) - {"x-id"}
    odd = [name for name in environ if name.startswith("HTTP_X_AMZ_") and not _IDLE.match(name)]
    has_odd = bool(odd) and odd != ["HTTP_X_AMZ_CHECKSUM_MODE"]
    if not is_s3 or not is_here or parameters or has_odd:
        return None
    if _has_condition(environ) or environ.get("moto.preserved_header_names"):
        return None
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    bucket, _, key = unquote(raw.partition("?")[0]).removeprefix("/").partition("/")
    return S3Uri(bucket, key) if bucket and key else None


def _has_condition(environ: Environ) -> bool:
    # moto's HEAD answers for the other conditions of a download.
    names = ["HTTP_IF_RANGE"]
    if environ["REQUEST_METHOD"] != "GET":
        names += ["HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"]
    return any(name in environ for name in names)


def _length(environ: Environ) -> int:
    text = str(environ.get("CONTENT_LENGTH") or "")
    return int(text) if text.isdecimal() else 0


def _completes_parts(environ: Environ) -> bool:
    return environ["REQUEST_METHOD"] == "POST" and "uploadId=" in environ.get("QUERY_STRING", "")


def _metadata(environ: Mapping[str, Any]) -> dict[str, str]:
    kept = {_header(name): environ[f"HTTP_{name}"] for name in _KEPT if f"HTTP_{name}" in environ}
    if environ.get("CONTENT_TYPE"):
        kept["Content-Type"] = environ["CONTENT_TYPE"]
    meta = [name for name in environ if name.startswith(_META)]
    return kept | {_header(name.removeprefix("HTTP_")).lower(): environ[name] for name in meta}


def _header(name: str) -> str:
    return name.replace("_", "-").title()


def _span(text: str, size: int) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(text)
    if found is None or text == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return (max(size - int(last), 0), size) if int(last) else None
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < end else None


def _pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = end - start
        while left and (data := file.read(min(left, _CHUNK_BYTES))):
            left -= len(data)
            yield data
