#!/usr/bin/env python3
"""Push an image to Amazon ECR under its version and its commit: ``make push``.

The tags are ``VERSION`` and the commit's 40 digits.  A development version is many commits long
and an immutable tag is one image, so there the first one is ``VERSION-`` and 12 of the digits.
An image that is already there is not pushed again, and a tag that another image has stays where it
is.  ``--dry-run`` prints what would be done, with AWS's calls as its command line has them, and
calls nobody.

botocore does the talking: it is a tool of the developer's, pinned like the others, and its errors
have names, where those of the command line are English.  Nothing of it enters the image.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import difflib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import exceptions, xform_name
from botocore.config import Config
from botocore.session import get_session

REVISION_LABEL = "org.opencontainers.image.revision"
# A session that does not look for the profile that is not there.
_NO_PROFILE = {"profile": (None, None, None, None)}
ACCOUNT = "ACCOUNT"
"""Stands for the account's twelve digits where nobody has been asked for them."""


class Refused(Exception):
    """The image cannot be pushed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """A local image, and what it shall be called."""

    name: str
    repository: str
    version: str
    commit: str
    docker: str

    @property
    def tags(self) -> tuple[str, str]:
        """The names that shall stay for good; the first one is for people."""
        if re.search(r"dev|\+", self.version):
            return f"{self.version.replace('+', '-')}-{self.commit[:12]}", self.commit
        return self.version, self.commit


def main() -> int:
    """Return 0 when the registry has the image under its tags, or would have it."""
    options = _options()
    try:
        with _explained(options):
            _push(options)
    except Refused as refusal:
        print(f"push: {refusal}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Push an image to Amazon ECR.")
    parser.add_argument("image", help="local image, such as crossfold:latest")
    parser.add_argument("--repository", required=True, help="name of the repository in ECR")
    parser.add_argument("--version", required=True, help="version of the project")
    parser.add_argument("--region", help="default: that of the AWS profile")
    parser.add_argument("--docker", default="docker", help="Docker's client")
    parser.add_argument("--uri-file", type=Path, help="write the pushed image's URI here")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    return parser.parse_args()


def _push(options: argparse.Namespace) -> None:
    options.region = options.region or get_session().get_config_variable("region")
    commit = _git("rev-parse", "HEAD")
    image = Image(options.image, options.repository, options.version, commit, options.docker)
    dirty = _git("status", "--porcelain")
    if options.dry_run:
        _rehearse(image, options.region or "REGION", dirty)
        return
    if dirty:
        raise Refused(_told_dirty(dirty))
    if not options.region:
        raise Refused(
            "no AWS region is set: say `make push AWS_REGION=eu-central-1` with your region, "
            "or `aws configure set region`"
        )
    uri = Registry(options.region, image.repository).take(image, _local_digests(image))
    print(uri)
    if options.uri_file:
        options.uri_file.parent.mkdir(parents=True, exist_ok=True)
        options.uri_file.write_text(f"{uri}\n", encoding="utf-8")


def _git(*words: str) -> str:
    ended = subprocess.run(["git", *words], capture_output=True, text=True, check=False)  # noqa: S607 - the user's own git
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or ["git said nothing"]
        raise Refused(f"git {words[0]} failed: {said[-1]}; push from a git checkout with a commit")
    return ended.stdout.rstrip("\n")


def _told_dirty(dirty: str) -> str:
    lines = dirty.splitlines()
    named = ", ".join(repr(line[3:]) for line in lines[:5])
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    return (
        f"the working tree differs from its commit in {named}{more}; a tag would name a commit "
        "that is not what the image contains: commit or remove these, then `make build push`"
    )


def _local_digests(image: Image) -> frozenset[str]:
    """Return the digests by which the engine knows the image, which must be of this commit."""
    ended = _run(image.docker, "image", "inspect", image.name, quiet=True)
    if ended.returncode != 0:
        raise Refused(f"the engine has no image {image.name!r}: say `make build` first")
    (details,) = json.loads(ended.stdout)
    built_from = ((details.get("Config") or {}).get("Labels") or {}).get(REVISION_LABEL)
    if built_from != image.commit:
        raise Refused(
            f"image {image.name!r} was built from {built_from or 'an unknown commit'!r}, but the "
            f"checkout is at {image.commit!r}: say `make build push`"
        )
    pushed = (each.rpartition("@")[2] for each in details.get("RepoDigests") or ())
    return frozenset((details["Id"], *pushed))


class Registry:
    """One repository of ECR in one region."""

    def __init__(self, region: str, repository: str) -> None:
        retries = Config(retries={"mode": "standard"}, connect_timeout=10)
        self._client = get_session().create_client("ecr", region_name=region, config=retries)
        self._region = region
        self._repository = repository

    def take(self, image: Image, local: frozenset[str]) -> str:
        """Push what is missing of an image's tags; return the URI that never changes."""
        address = self._address()
        missing = [tag for tag in image.tags if not self._has(tag, image, local)]
        if missing:
            self._log_in(image.docker, address.partition("/")[0])
        for tag in missing:
            for words in _tag_and_push(image, address, tag):
                _must(*words)
        return f"{address}@{self._digest(image.tags[0])}"

    def _address(self) -> str:
        """Return where the repository is, after making it if there is none."""
        name = {"repositoryNames": [self._repository]}
        try:
            (found,) = self._call("DescribeRepositories", name)["repositories"]
        except self._client.exceptions.RepositoryNotFoundException:
            made = self._call("CreateRepository", _settings(self._repository))
            return str(made["repository"]["repositoryUri"])
        self._warn(found)
        return str(found["repositoryUri"])

    def _warn(self, found: Mapping[str, Any]) -> None:
        """Tell what differs from a repository of ours; it is the owner's to change."""
        who = f"push: warning: repository {self._repository!r}"
        settings = _settings(self._repository)
        if not str(found.get("imageTagMutability")).startswith("IMMUTABLE"):
            again = _shown("PutImageTagMutability", _only(settings, "Tag"), self._region)
            print(f"{who} lets tags move to other images; end that: {again}", file=sys.stderr)
        if not (found.get("imageScanningConfiguration") or {}).get("scanOnPush"):
            again = _shown("PutImageScanningConfiguration", _only(settings, "Scan"), self._region)
            print(f"{who} does not scan at a push; change that: {again}", file=sys.stderr)

    def _has(self, tag: str, image: Image, local: frozenset[str]) -> bool:
        """Tell whether the tag is this image's; ECR refuses the same image a second time."""
        wanted = {"repositoryName": self._repository, "imageIds": [{"imageTag": tag}]}
        found = self._call("BatchGetImage", wanted)["images"]
        if not found:
            return False
        digest = str(found[0]["imageId"]["imageDigest"])
        # An engine knows an image by the digest of its manifest or by that of its configuration.
        config = json.loads(found[0]["imageManifest"]).get("config") or {}
        if local.isdisjoint((digest, config.get("digest"))):
            raise Refused(
                f"tag {tag!r} of {self._repository!r} is another image, {digest}, than the local "
                f"{image.name!r}, and tags do not move: use the one that is there, "
                "or raise the version or commit, then `make build push`"
            )
        print(f"{tag} is there already, as {digest}", file=sys.stderr)
        return True

    def _log_in(self, docker: str, host: str) -> None:
        data = self._call("GetAuthorizationToken", {})["authorizationData"]
        name, _, password = base64.b64decode(data[0]["authorizationToken"]).decode().partition(":")
        _must(*_login(docker, host, name), text=password)

    def _digest(self, tag: str) -> str:
        wanted = {"repositoryName": self._repository, "imageIds": [{"imageTag": tag}]}
        return str(self._call("DescribeImages", wanted)["imageDetails"][0]["imageDigest"])

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        print(f"+ {_shown(operation, parameters, self._region)}", file=sys.stderr)
        answer: Mapping[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        return answer


def _rehearse(image: Image, region: str, dirty: str) -> None:
    """Print every command of a first push; a later one leaves out what is there already."""
    if dirty:
        print(f"# a push would stop here: {_told_dirty(dirty)}")
    host = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com{'.cn' * region.startswith('cn-')}"
    address = f"{host}/{image.repository}"
    name = {"repositoryNames": [image.repository]}
    print(f"# dry run: nothing below is done; {ACCOUNT} stands for the account's twelve digits")
    print(_shown("DescribeRepositories", name, region))
    print(f"# if there is none:\n{_shown('CreateRepository', _settings(image.repository), region)}")
    print("# each tag, unless the image is there under it; another image's tag ends the push:")
    for tag in image.tags:
        wanted = {"repositoryName": image.repository, "imageIds": [{"imageTag": tag}]}
        print(_shown("BatchGetImage", wanted, region))
    words = shlex.join(_login(image.docker, host, "AWS"))
    print(f"aws ecr get-login-password --region {region} | {words}")
    for tag in image.tags:
        print("\n".join(shlex.join(words) for words in _tag_and_push(image, address, tag)))


def _settings(repository: str) -> dict[str, Any]:
    return {
        "repositoryName": repository,
        "imageScanningConfiguration": {"scanOnPush": True},
        "imageTagMutability": "IMMUTABLE",
    }


def _only(settings: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key == "repositoryName" or part in key}


def _shown(operation: str, parameters: Mapping[str, Any], region: str) -> str:
    """Return a call as a command; AWS makes its command line from the same names."""
    words = ["aws", "ecr", xform_name(operation, "-"), "--region", region]
    for name, value in parameters.items():
        words.append(f"--{xform_name(name, '-')}")
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            words.extend(value)
        else:
            words.append(value if isinstance(value, str) else json.dumps(value))
    return shlex.join(words)


def _login(docker: str, host: str, name: str) -> tuple[str, ...]:
    return docker, "login", "--username", name, "--password-stdin", host


def _tag_and_push(image: Image, address: str, tag: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    whole = f"{address}:{tag}"
    return (image.docker, "tag", image.name, whole), (image.docker, "push", whole)


def _must(*words: str, text: str | None = None) -> None:
    ended = _run(*words, text=text)
    if ended.returncode != 0:
        said = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Refused(
            f"`{shlex.join(words[:2])}` failed with exit code {ended.returncode}: {said}; "
            "mend that and say `make push` again, what was pushed is not pushed twice"
        )


def _run(
    *words: str, text: str | None = None, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    if not quiet:
        print(f"+ {shlex.join(words)}", file=sys.stderr)
    try:
        return subprocess.run(
            words,
            input=text,
            # A push takes minutes, so its progress is shown; what it says last ends our message.
            stdout=subprocess.PIPE if quiet else sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        raise Refused(
            f"cannot start {words[0]!r} ({error.strerror}): install Docker's client, "
            "or name another one with `make push DOCKER=…`"
        ) from error


@contextlib.contextmanager
def _explained(options: argparse.Namespace) -> Iterator[None]:
    """Turn AWS's errors into what the user can do."""
    try:
        yield
    except exceptions.ClientError as error:
        raise Refused(_told_client_error(error, options.region)) from error
    except exceptions.BotoCoreError as error:
        raise Refused(_told_botocore_error(error, options.region)) from error


def _told_client_error(error: exceptions.ClientError, region: str) -> str:
    code = error.response.get("Error", {}).get("Code", "?")
    action = f"ecr:{error.operation_name}"
    said = f"AWS answered {action} in region {region!r} with {code}"
    if code.startswith("AccessDenied"):
        return f"{said}: allow {action} to this user or role; README.md lists what a push needs"
    if code.startswith("ExpiredToken"):
        return f"{said}: the credentials are out of date; log in again, as with `aws sso login`"
    if code in {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"}:
        return (
            f"{said}: the keys are wrong, or the account has not enabled this region; "
            "`aws sts get-caller-identity` tells whose they are"
        )
    return f"{said}: {error.response.get('Error', {}).get('Message', '')}"


def _told_botocore_error(error: exceptions.BotoCoreError, region: str) -> str:
    said = " ".join(str(error).split())
    match error:
        case exceptions.NoCredentialsError():
            return (
                "no AWS credentials were found, neither AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY nor a profile nor a role: say `AWS_PROFILE=… make push`, "
                "or `aws configure`"
            )
        case exceptions.ProfileNotFound():
            known = ", ".join(sorted(get_session(_NO_PROFILE).full_config["profiles"])) or "none"
            return f"{said}; AWS_PROFILE may be one of: {known}"
        case exceptions.EndpointConnectionError() | exceptions.InvalidRegionError():
            return f"ECR does not answer in region {region!r}{_nearest(region)}: {said}"
        case exceptions.SSOError() | exceptions.TokenRetrievalError():
            return f"{said}; log in again with `aws sso login`"
    return f"{said}; mend the AWS settings, then say `make push` again"


def _nearest(region: str) -> str:
    known = get_session().get_available_regions("ecr")
    if region in known:
        return ""
    near = difflib.get_close_matches(region, known)
    return f", which is not known; did you mean {near[0]!r}?" if near else ", which is not known"


if __name__ == "__main__":
    sys.exit(main())
