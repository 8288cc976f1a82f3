"""Objects of S3 that cannot be had whole, and what is said then to a job and to an endpoint."""

from __future__ import annotations

import contextlib
import errno
import http.server
import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfold.errors import PlatformError, UserError
from crossfold.source.s3_object import download
from serve.settings import ScriptSettings
from serve.user_script.fetching import fetch_code
from serve.user_script.finding import find_script

URI = "s3://bucket/source.tar.gz"


class Answers(http.server.BaseHTTPRequestHandler):
    """An S3 that says of its object to have `n_bytes`, sends what it has, or refuses."""

    sent, n_bytes, status = b"", 0, 200

    def do_HEAD(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(self.n_bytes))
        self.send_header("ETag", '"1"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.sent)

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


@contextlib.contextmanager
def s3(sent: bytes, n_missing: int = 0, status: int = 200) -> Iterator[str]:
    facts = {"sent": sent, "n_bytes": len(sent) + n_missing, "status": status}
    handler = type("Some", (Answers,), facts)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


def fetch(address: str, path: Path) -> None:
    environ = {"S3_ENDPOINT_URL": address}
    download(URI, path, region="eu-west-1", environ=environ, instead="give it otherwise")


def test_a_body_that_always_breaks_off_is_the_platforms(tmp_path: Path) -> None:
    with s3(b"123", 7) as address, pytest.raises(PlatformError) as failed:
        fetch(address, tmp_path / "archive")

    assert str(failed.value).startswith(f"{URI} cannot be read: 3 read, ")

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_file_is_the_platforms(tmp_path: Path) -> None:
    with s3(b"0123456789") as address, pytest.raises(PlatformError, match="No such file"):
        fetch(address, tmp_path / "none" / "archive")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "does not exist (404); name an archive that is there"),
        (403, "may not be read (403); the role of the job or endpoint needs s3:GetObject on it"),
    ],
)
def test_a_refusal_is_told_in_words_for_jobs_and_for_endpoints(
    tmp_path: Path, status: int, said: str
) -> None:
    with s3(b"", status=status) as address, pytest.raises(UserError) as refused:
        fetch(address, tmp_path / "archive")

    assert str(refused.value) == f"{URI} {said}"


def test_the_code_beside_the_model_serves_where_the_body_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "model/code/mine.py"
    program.parent.mkdir(parents=True)
    program.touch()

    with s3(b"123", 7) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        found = find_script(tmp_path / "model", ScriptSettings("mine.py", URI, "eu-west-1"))

    assert found is not None
    assert (found.program, found.is_fetched) == (program, False)


def test_a_disk_that_takes_no_folder_for_the_code_is_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "mkdir", full)

    with s3(b"0123456789") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(PlatformError, match=f"{URI} cannot be unpacked: .*No space left"):
            fetch_code(URI, "eu-west-1")

    assert list(tmp_path.iterdir()) == []


def test_a_script_that_nobody_named_is_not_said_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("other.py"))

    with s3(content.getvalue()) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(UserError) as refused:
            find_script(tmp_path, ScriptSettings(None, URI, "eu-west-1"))

    assert str(refused.value) == (
        f"SAGEMAKER_PROGRAM is not set, so that the script is 'inference.py', which "
        f"SAGEMAKER_SUBMIT_DIRECTORY '{URI}' does not hold; name one of its files"
    )
