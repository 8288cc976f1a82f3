"""``make push`` against moto's ECR; a stub of Docker's client stands where a registry would be."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from tests.conftest import ROOT
from tests.pushing import DOCKER, HOST, REGION, VERSION, Checkout


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def checkout(tmp_path: Path, endpoint: str, bare_environ: dict[str, str]) -> Checkout:
    get_backend("ecr").reset()
    stub = tmp_path / "bin"
    stub.mkdir()
    source = DOCKER.format(python=sys.executable, folder=str(stub), region=REGION)
    (stub / "docker").write_text(source)
    (stub / "docker").chmod(0o755)
    (stub / "calls").touch()
    (stub / "fails").touch()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    environ = bare_environ | {
        "PATH": f"{stub}{os.pathsep}{bare_environ['PATH']}",
        "HOME": str(tmp_path),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        **keys,
    }
    ecr = get_session().create_client(
        "ecr",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    made = Checkout(tmp_path / "checkout", stub, environ, ecr)
    made.folder.mkdir()
    (made.folder / "file").write_text("first")
    made.git("init", "--quiet")
    made.git("add", ".")
    made.git("commit", "--quiet", "--message", "first")
    made.built()
    return made


def test_first_push_makes_a_scanned_repository_with_tags_that_stay(checkout: Checkout) -> None:
    ended = checkout.push()

    assert ended.returncode == 0, ended.stderr
    (repository,) = checkout.ecr.describe_repositories()["repositories"]
    assert repository["repositoryName"] == "team/crossfold"
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert set(checkout.tags()) == {VERSION, checkout.commit}


def test_docker_logs_in_then_tags_and_pushes_each_name(checkout: Checkout) -> None:
    checkout.push()

    login, *rest = checkout.docker_calls()
    assert login[:-1] == ["login", "--username", "AWS", "--password-stdin", HOST]
    assert login[-1] != ""
    expected = []
    for tag in (VERSION, checkout.commit):
        whole = f"{HOST}/team/crossfold:{tag}"
        expected += [["tag", "crossfold:latest", whole, ""], ["push", whole, ""]]
    assert rest == expected


def test_the_password_is_never_printed(checkout: Checkout) -> None:
    ended = checkout.push()

    password = checkout.docker_calls()[0][-1]
    assert password not in ended.stdout + ended.stderr


def test_the_uri_by_digest_is_printed_and_written(checkout: Checkout) -> None:
    file = checkout.folder.parent / "new" / "uri"

    ended = checkout.push("--uri-file", str(file))

    uri = f"{HOST}/team/crossfold@{checkout.tags()[VERSION]}"
    assert ended.stdout == f"{uri}\n"
    assert file.read_text() == f"{uri}\n"


def test_second_push_of_the_same_image_pushes_nothing(checkout: Checkout) -> None:
    first = checkout.push()
    (checkout.stub / "calls").write_text("")

    second = checkout.push()

    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert checkout.docker_calls() == []


def test_engine_that_knows_images_by_their_manifest_pushes_nothing_twice(
    checkout: Checkout,
) -> None:
    """With containerd's store an image may be an index, and its identity is that of the index."""
    kind = "application/vnd.oci.image.index.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": []})
    checkout.ecr.create_repository(repositoryName="team/crossfold", imageTagMutability="IMMUTABLE")
    for tag in (VERSION, checkout.commit):
        checkout.ecr.put_image(
            repositoryName="team/crossfold", imageManifest=manifest, imageTag=tag
        )
    checkout.built(image_id=checkout.tags()[VERSION])

    ended = checkout.push()

    assert ended.returncode == 0, ended.stderr
    assert checkout.docker_calls() == []


def test_push_after_a_broken_one_adds_only_what_is_missing(checkout: Checkout) -> None:
    checkout.push()
    commit = {"imageTag": checkout.commit}
    checkout.ecr.batch_delete_image(repositoryName="team/crossfold", imageIds=[commit])
    (checkout.stub / "calls").write_text("")

    ended = checkout.push()

    assert ended.returncode == 0, ended.stderr
    pushed = [words[1] for words in checkout.docker_calls() if words[0] == "push"]
    assert pushed == [f"{HOST}/team/crossfold:{checkout.commit}"]


@pytest.mark.parametrize("mutability", ["IMMUTABLE", "MUTABLE"])
def test_a_tag_of_another_image_stays_and_nothing_is_pushed(
    checkout: Checkout, mutability: str
) -> None:
    checkout.ecr.create_repository(repositoryName="team/crossfold", imageTagMutability=mutability)
    assert checkout.push().returncode == 0
    before = checkout.tags()
    (checkout.stub / "calls").write_text("")
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "second")
    checkout.built(image_id=f"sha256:{'b2' * 32}")

    ended = checkout.push()

    assert ended.returncode == 1
    assert f"tag '{VERSION}'" in ended.stderr
    assert "raise the version" in ended.stderr
    assert (checkout.tags(), checkout.docker_calls()) == (before, [])


def test_commits_of_a_development_version_do_not_fight_for_one_tag(checkout: Checkout) -> None:
    checkout.push("--version", "1.3.0.dev0")

    assert set(checkout.tags()) == {f"1.3.0.dev0-{checkout.commit[:12]}", checkout.commit}


def test_existing_mutable_repository_is_used_with_a_warning_that_tells_the_remedy(
    checkout: Checkout,
) -> None:
    checkout.ecr.create_repository(repositoryName="team/crossfold")

    ended = checkout.push()

    assert ended.returncode == 0, ended.stderr
    assert "lets tags move" in ended.stderr
    assert "put-image-tag-mutability" in ended.stderr
    assert "put-image-scanning-configuration" in ended.stderr
    (repository,) = checkout.ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "MUTABLE"


def test_dirty_tree_is_refused_by_the_names_of_what_is_dirty(checkout: Checkout) -> None:
    (checkout.folder / "file").write_text("changed")
    (checkout.folder / "new file").touch()

    ended = checkout.push()

    assert ended.returncode == 1
    assert "'file'" in ended.stderr
    assert "new file" in ended.stderr
    assert (checkout.docker_calls(), checkout.ecr.describe_repositories()["repositories"]) == (
        [],
        [],
    )


@pytest.mark.parametrize("revision", ["{commit}-dirty", "0" * 40])
def test_image_of_another_commit_is_refused(checkout: Checkout, revision: str) -> None:
    built_from = revision.format(commit=checkout.commit)
    checkout.built(revision=built_from)

    ended = checkout.push()

    assert ended.returncode == 1
    assert repr(built_from) in ended.stderr
    assert "make build push" in ended.stderr
    assert checkout.docker_calls() == []


def test_dry_run_shows_the_commands_and_calls_nobody(checkout: Checkout) -> None:
    ended = checkout.push("--dry-run", AWS_ENDPOINT_URL="http://127.0.0.1:9")

    shown = [line for line in ended.stdout.splitlines() if not line.startswith("#")]
    assert ended.returncode == 0, ended.stderr
    assert re.findall(r"^(?:aws ecr \S+|docker \w+)", "\n".join(shown), re.MULTILINE) == [
        "aws ecr describe-repositories",
        "aws ecr create-repository",
        "aws ecr batch-get-image",
        "aws ecr batch-get-image",
        "aws ecr get-login-password",
        "docker tag",
        "docker push",
        "docker tag",
        "docker push",
    ]
    assert len(shown) == 9
    assert checkout.docker_calls() == []


def test_dry_run_shows_what_a_push_then_does(checkout: Checkout) -> None:
    dry = checkout.push("--dry-run").stdout.replace("ACCOUNT", "123456789012").splitlines()

    ended = checkout.push()

    done = [line.removeprefix("+ ") for line in ended.stderr.splitlines() if line[:2] == "+ "]
    is_token = re.compile("get-(authorization-token|login-password)|describe-images|docker login")
    assert [line for line in done if not is_token.search(line)] == [
        line for line in dry if line[0] != "#" and not is_token.search(line)
    ]


def test_shown_call_has_the_options_that_the_command_line_knows(checkout: Checkout) -> None:
    """AWS's command line is made of the same model of the calls as botocore."""
    (line,) = [
        line for line in checkout.push("--dry-run").stdout.splitlines() if "create-rep" in line
    ]
    model = checkout.ecr.meta.service_model.operation_model("CreateRepository").input_shape

    words = shlex.split(line)
    options = {word[2:] for word in words if word.startswith("--")}
    assert options - {"region"} <= {xform_name(name, "-") for name in model.members}
    assert json.loads(words[words.index("--image-scanning-configuration") + 1]) == {
        "scanOnPush": True
    }


def test_missing_credentials_are_told_with_what_to_do(checkout: Checkout) -> None:
    ended = checkout.push(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")

    assert ended.returncode == 1
    assert "AWS_PROFILE=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_missing_region_is_told_with_what_to_do(checkout: Checkout) -> None:
    ended = checkout.push(AWS_DEFAULT_REGION="")

    assert ended.returncode == 1
    assert "AWS_REGION=" in ended.stderr


def test_unknown_region_is_answered_with_the_nearest_known_one(checkout: Checkout) -> None:
    ended = checkout.push("--region", "eu-centrl-1", AWS_ENDPOINT_URL="http://127.0.0.1:9")

    assert ended.returncode == 1
    assert "'eu-centrl-1'" in ended.stderr
    assert "did you mean 'eu-central-1'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_unknown_profile_is_answered_with_the_known_ones(checkout: Checkout) -> None:
    (checkout.folder.parent / ".aws").mkdir()
    (checkout.folder.parent / ".aws/config").write_text("[profile team]\nregion = eu-west-1\n")

    ended = checkout.push(AWS_PROFILE="taem")

    assert ended.returncode == 1
    assert "taem" in ended.stderr
    assert "may be one of: team" in ended.stderr


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "allow ecr:PutImage"),
        ("ExpiredTokenException", "aws sso login"),
        ("UnrecognizedClientException", "has not enabled this region"),
        ("ServerException", "try later"),
    ],
)
def test_refusal_of_aws_is_told_with_what_to_do(code: str, remedy: str) -> None:
    told = runpy.run_path(str(ROOT / "docker/push.py"))["_told_client_error"]
    answer: Any = {"Error": {"Code": code, "Message": "try later"}}

    message = told(ClientError(answer, "PutImage"), REGION)

    assert message.startswith(f"AWS answered ecr:PutImage in region '{REGION}' with {code}")
    assert remedy in message


@pytest.mark.parametrize("command", ["login", "push"])
def test_what_docker_says_of_its_failure_is_passed_on(checkout: Checkout, command: str) -> None:
    (checkout.stub / "fails").write_text(command)

    ended = checkout.push()

    assert ended.returncode == 1
    assert f"`docker {command}` failed with exit code 1: no space left" in ended.stderr
    assert ended.stdout == ""


def test_missing_docker_client_is_told(checkout: Checkout) -> None:
    ended = checkout.push("--docker", "no-such-docker")

    assert ended.returncode == 1
    assert "cannot start 'no-such-docker'" in ended.stderr
