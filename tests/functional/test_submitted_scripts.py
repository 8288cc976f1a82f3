"""Scripts that the SDK has put into S3 for the server to fetch, in an S3 of this machine."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from crossfold.errors import UserError
from serve.settings import ScriptSettings
from serve.user_script.fetching import remove_code
from serve.user_script.finding import find_script
from tests.serving import serving

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
SCRIPT = """
def model_fn(model_dir):
    return 2
def predict_fn(data, model):
    return data.sum(axis=1) * model
"""

Upload = Callable[..., str]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def upload(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upload:
    """Return what packs files, uploads them and names the object; `serve` is let see S3."""
    import boto3
    from moto.backends import get_backend

    # One process has one moto, with the buckets of all its tests.
    get_backend("s3").reset()
    for name, text in {**CREDENTIALS, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, text)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="bucket")

    def packed(**files: str) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name.replace("__", "/"))
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        client.put_object(Bucket="bucket", Key="job/sourcedir.tar.gz", Body=buffer.getvalue())
        return "s3://bucket/job/sourcedir.tar.gz"

    return packed


def _beside(model: Path, text: str) -> None:
    (model / "code").mkdir(parents=True)
    (model / "code/mine.py").write_text(text, encoding="utf-8")


def test_what_was_submitted_goes_before_an_older_copy_beside_the_model(
    tmp_path: Path, upload: Upload
) -> None:
    _beside(tmp_path / "model", "old")
    uri = upload(**{"mine.py": "new", "inner__helper.py": "x"})

    found = find_script(tmp_path / "model", ScriptSettings("mine.py", uri, REGION))

    assert found is not None
    assert found.program.read_text(encoding="utf-8") == "new"
    assert (found.folder / "inner/helper.py").is_file()
    remove_code(found.folder)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("files", [{"other.py": ""}, {"../mine.py": ""}, {}])
def test_the_copy_beside_the_model_stands_in_for_what_cannot_be_had(
    tmp_path: Path, upload: Upload, files: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    _beside(tmp_path / "model", "old")
    uri = upload(**files) if files else "s3://bucket/none"

    found = find_script(tmp_path / "model", ScriptSettings("mine.py", uri, REGION))

    assert found is not None
    assert found.program == tmp_path / "model/code/mine.py"
    event = json.loads(capfd.readouterr().out)
    assert event["event"] == "script_not_fetched"
    assert (uri in event["reason"]) or "'../mine.py' would be written outside" in event["reason"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_is_nowhere_is_named(tmp_path: Path, upload: Upload) -> None:
    uri = upload(**{"other.py": ""})

    with pytest.raises(UserError, match="SUBMIT_DIRECTORY 's3://bucket/.*' does not hold"):
        find_script(tmp_path, ScriptSettings("mine.py", uri, REGION))
    with pytest.raises(UserError, match=r"s3://bucket/none does not exist \(404\)"):
        find_script(tmp_path, ScriptSettings("mine.py", "s3://bucket/none", REGION))


def test_a_server_fetches_its_script_and_removes_it_at_its_end(
    tmp_path: Path, upload: Upload, address: str
) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    opt_ml.model.mkdir(parents=True)
    scratch = tmp_path / "scratch"
    environ = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": address,
        "SAGEMAKER_REGION": REGION,
        "SAGEMAKER_PROGRAM": "mine.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": upload(**{"mine.py": SCRIPT}),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
        "TMPDIR": str(scratch),
    }

    with serving(opt_ml, **environ) as server:
        reply = server.post(b"1,2\n3,4.5", accept="text/csv")
        assert [path.name for path in scratch.glob("crossfold-script-*/*")] == ["code"]
        assert server.stop() == 0

    assert reply.body == b"6.0\n15.0"
    assert list(scratch.glob("crossfold-script-*")) == []
