"""Where the code comes from, what is run of it, and what is installed for it."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from crossfold.errors import UserError
from train.script.entry_point import find_entry_point
from train.script.installs import installation, pip_reason
from train.script.source import fetch_source

REGION = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
}


# What is there, in the forms that pip knows; the last is for another system.
MET = """numpy>=1.0,<99  # for arrays
Scikit_Learn
joblib != 0.1
no-such-package; sys_platform == "win32"
"""


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def pack(folder: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for each in folder.iterdir():
            tar.add(each, each.name)
    return path


def code_of(
    opt_ml: OptMl, environ: Mapping[str, str] | None = None, **given: str
) -> dict[str, str]:
    source = fetch_source(opt_ml, given, environ or {})
    return {path.name: path.read_text() for path in source.folder.iterdir()}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return write(tmp_path / "sample", **{"train.py": "print(1)"})


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve S3 on this machine; return its address."""
    from moto.backends import get_backend
    from moto.server import ThreadedMotoServer

    # One process has one moto, with the buckets of all its tests.
    get_backend("s3").reset()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, text in REGION.items():
        monkeypatch.setenv(name, text)
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "S3_ENDPOINT_URL"])
def test_an_archive_in_s3_is_fetched(
    tmp_path: Path, sample: Path, s3: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=s3, region_name="eu-west-1")
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
    archive = pack(sample, tmp_path / "source.tar.gz")
    client.upload_file(str(archive), "bucket", "a b/source.tar.gz")
    monkeypatch.setenv(name, s3)
    environ = {**REGION, name: s3}

    uri = '"s3://bucket/a b/source.tar.gz"'
    code = code_of(OptMl(tmp_path / "job"), environ, sagemaker_submit_directory=uri)

    assert code == {"train.py": "print(1)"}
    with pytest.raises(UserError, match=r"s3://bucket/none does not exist \(404\)"):
        code_of(OptMl(tmp_path / "other"), environ, sagemaker_submit_directory="s3://bucket/none")


def test_what_is_no_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is 's3://bucket'; expected s3://BUCKET/KEY"):
        code_of(OptMl(tmp_path), sagemaker_submit_directory="s3://bucket")


def test_a_folder_or_an_archive_of_this_machine_is_taken(tmp_path: Path, sample: Path) -> None:
    archive = pack(sample, tmp_path / "source.tar.gz")

    for number, place in enumerate([str(sample), str(archive), f'"file://{sample}"']):
        opt_ml = OptMl(tmp_path / f"job{number}")
        assert code_of(opt_ml, sagemaker_submit_directory=place) == {"train.py": "print(1)"}


def test_a_source_that_is_named_as_in_the_container_lies_below_the_root(
    tmp_path: Path, sample: Path
) -> None:
    opt_ml = OptMl(tmp_path / "job")
    pack(sample, opt_ml.channel("code") / "sourcedir.tar.gz")

    uri = '"/opt/ml/input/data/code/sourcedir.tar.gz"'
    assert code_of(opt_ml, sagemaker_submit_directory=uri) == {"train.py": "print(1)"}


def test_the_environment_names_the_source_where_no_hyperparameter_does(
    tmp_path: Path, sample: Path
) -> None:
    environ = {"SAGEMAKER_SUBMIT_DIRECTORY": str(sample)}

    assert code_of(OptMl(tmp_path / "job"), environ) == {"train.py": "print(1)"}


@pytest.mark.parametrize("is_packed", [True, False])
def test_channel_code_holds_the_source_of_a_job_without_a_network(
    tmp_path: Path, sample: Path, *, is_packed: bool
) -> None:
    opt_ml = OptMl(tmp_path / "job")
    if is_packed:
        pack(sample, opt_ml.channel("code") / "sourcedir.tar.gz")
    else:
        write(opt_ml.channel("code"), **{"train.py": "print(1)"})

    assert code_of(opt_ml) == {"train.py": "print(1)"}


def test_code_that_is_there_already_is_taken(tmp_path: Path, sample: Path) -> None:
    opt_ml = OptMl(tmp_path / "job")
    write(opt_ml.root / "code", **{"train.py": "mine"})

    assert code_of(opt_ml, sagemaker_submit_directory=str(sample)) == {"train.py": "mine"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {},
            "there is a sagemaker_program but no source: give sagemaker_submit_directory, channel",
        ),
        ({"sagemaker_submit_directory": "/no/such"}, "is '/no/such', which does not exist"),
    ],
)
def test_a_missing_source_is_named(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fetch_source(OptMl(tmp_path), given, {})


PYTHON = sys.executable


@pytest.mark.parametrize(
    ("files", "name", "argv"),
    [
        ({"train.py": ""}, "train.py", (PYTHON, "train.py")),
        ({"train it!.py": ""}, "train it!.py", (PYTHON, "train it!.py")),
        ({"train.py": "", "setup.py": ""}, "train.py", (PYTHON, "-m", "train")),
        ({"setup.py": ""}, "pkg/train.py", (PYTHON, "-m", "pkg.train")),
        ({"train.py": "", "pyproject.toml": "[tool.ruff]"}, "train.py", (PYTHON, "train.py")),
        (
            {"train.py": "", "pyproject.toml": "[build-system]\nrequires = []"},
            "train.py",
            (PYTHON, "-m", "train"),
        ),
        ({"run.sh": "echo", "setup.py": ""}, "run.sh", ("/bin/sh", "./run.sh")),
        ({"run.sh": "#!/bin/bash\n"}, "run.sh", ("./run.sh",)),
        ({"run": "echo"}, "run", ("/bin/sh", "./run")),
    ],
)
def test_the_program_decides_how_it_is_run(
    tmp_path: Path, files: dict[str, str], name: str, argv: tuple[str, ...]
) -> None:
    assert find_entry_point(write(tmp_path, **files), name).argv == argv


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "expected a path inside the source"),
        ("../train.py", "expected a path inside the source"),
        ("-c", "expected a path inside the source"),
        ("trian.py", r"the source has no such file \(it has out.py, train.py\)"),
        ("out.py", "the source has no such file"),
        ("", "the source has no such file"),
        ("y" * 300 + ".py", "the source has no such file"),
        ("x\0.py", "the source has no such file"),
    ],
)
def test_a_program_outside_the_source_is_refused(tmp_path: Path, name: str, message: str) -> None:
    folder = write(tmp_path / "code", **{"train.py": ""})
    (folder / "out.py").symlink_to("/etc/passwd")

    with pytest.raises(UserError, match=message):
        find_entry_point(folder, name)


@pytest.mark.parametrize(
    ("files", "name", "installed"),
    [
        ({"train.py": ""}, "train.py", None),
        ({"train.py": "", "requirements.txt": "\n # none\n"}, "train.py", None),
        ({"train.py": "", "requirements.txt": f"\ufeff{MET}"}, "train.py", None),
        *(
            (
                {"train.py": "", "requirements.txt": f"{MET}{line}\n"},
                "train.py",
                ("--requirement", "requirements.txt"),
            )
            for line in ("numpy<1", "requests[security]", "--no-index", "./x.whl", "x @ file:///x")
        ),
        (
            {"train.py": "", "requirements.txt": "a\n"},
            "train.py",
            ("--requirement", "requirements.txt"),
        ),
        ({"setup.py": ""}, "pkg", (".",)),
        (
            {"setup.py": "", "requirements.txt": "a"},
            "pkg",
            (".", "--requirement", "requirements.txt"),
        ),
        ({"run.sh": "", "requirements.txt": "a"}, "run.sh", None),
    ],
)
def test_only_what_is_asked_for_is_installed(
    tmp_path: Path, files: dict[str, str], name: str, installed: tuple[str, ...] | None
) -> None:
    folder = write(tmp_path, **files)

    program = installation(folder, find_entry_point(folder, name), {"PIP_NO_INPUT": "0"})

    assert (None if program is None else tuple(program.argv[5:])) == installed
    assert program is None or program.environ["PIP_NO_INPUT"] == "0"


@pytest.mark.parametrize(
    "said",  # by pip 23.2 and by pip 26.3
    ["× pip subprocess to install build dependencies", "× installing build dependencies"],
)
def test_a_package_that_cannot_be_built_without_an_index_says_what_helps(said: str) -> None:
    errors = (
        "  error: subprocess-exited-with-error\n"
        f"  {said} did not run successfully.\n"
        "      ERROR: No matching distribution found for setuptools>=40.8.0\n"
    )

    assert pip_reason(errors.encode()) == (
        "subprocess-exited-with-error; No matching distribution found for setuptools>=40.8.0; "
        "where there is no index, put what builds the package (setuptools and wheel, unless its "
        "pyproject.toml names others) into the image and set PIP_NO_BUILD_ISOLATION=false in the "
        "job's environment"
    )
    other = b"ERROR: No matching distribution found for numpyy\n"
    assert pip_reason(other) == "No matching distribution found for numpyy"


@pytest.mark.parametrize(
    "line", ["#!/bin/bash\r\n", "#!/usr/bin/env python3\r\n", "#!/bin/sh -e\r\n"]
)
def test_a_program_with_the_line_ends_of_windows_is_told_so(tmp_path: Path, line: str) -> None:
    folder = write(tmp_path, **{"run.sh": f"{line}echo\r\n"})

    with pytest.raises(UserError, match=r"'run\.sh' has the line ends of Windows"):
        find_entry_point(folder, "run.sh")


@pytest.mark.parametrize("job", ["job", "deep/er/job", "."])
def test_a_job_inside_of_its_source_is_not_copied_into_itself(tmp_path: Path, job: str) -> None:
    """As on a laptop, where the folder of a job lies beside the script, or is its folder."""
    source = write(tmp_path / "project", **{"train.py": "print(1)"})
    write(source / "package/input", **{"mine.py": ""})
    opt_ml = OptMl(source / job)
    for folder in (opt_ml.data, opt_ml.model, opt_ml.output_data, opt_ml.checkpoints):
        write(folder, mine="of the job")

    for _ in range(2):
        brought = fetch_source(opt_ml, {"sagemaker_submit_directory": str(source)}, {}).folder
        files = sorted(path for path in brought.rglob("*") if path.is_file())
        assert [path.relative_to(brought).as_posix() for path in files] == [
            "package/input/mine.py",
            "train.py",
        ]


def test_a_source_that_changed_since_the_last_run_is_brought_anew(
    tmp_path: Path, sample: Path
) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    assert code_of(opt_ml, sagemaker_submit_directory=str(sample)) == {"train.py": "print(1)"}
    write(sample, **{"train.py": "print(2)"})
    (opt_ml.root / "code" / "train.py").write_text("print('edited here')")

    assert code_of(opt_ml, sagemaker_submit_directory=str(sample)) == {"train.py": "print(2)"}
    kept = opt_ml.root / "code.previous" / "train.py"
    assert kept.read_text() == "print('edited here')"


def test_a_source_that_is_gone_is_told_although_an_earlier_copy_is_there(
    tmp_path: Path, sample: Path
) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    code_of(opt_ml, sagemaker_submit_directory=str(sample))
    with pytest.raises(UserError, match="nowhere', which does not exist"):
        code_of(opt_ml, sagemaker_submit_directory="/nowhere")


def test_code_of_an_image_or_a_mount_stays(tmp_path: Path, sample: Path) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    write(opt_ml.root / "code", **{"train.py": "print('mounted')"})
    for _ in range(2):
        told = code_of(opt_ml, sagemaker_submit_directory=str(sample))
        assert told == {"train.py": "print('mounted')"}
