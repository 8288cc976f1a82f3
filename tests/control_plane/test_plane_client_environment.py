"""The variables for clients of the plane, as Python's own library reads them."""

from __future__ import annotations

from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import pytest

from local_test.control_plane.client_environment import exports
from local_test.control_plane.settings import Settings


@pytest.mark.parametrize("names", [[], ["NO_PROXY"], ["no_proxy"], ["NO_PROXY", "no_proxy"]])
def test_no_proxy_stands_between_a_client_and_the_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    given = {"HTTP_PROXY": "http://proxy.example:3128"} | dict.fromkeys(names, "own.example")

    told = exports(Settings(root=tmp_path), tmp_path / "defaults", given)

    for name, value in (given | told).items():
        monkeypatch.setenv(name, value)
    assert getproxies()["http"] == "http://proxy.example:3128"
    assert proxy_bypass("127.0.0.1:8765")
    assert proxy_bypass("bucket.localhost")
    assert bool(proxy_bypass("own.example")) == bool(names)
    assert not proxy_bypass("aws.example")
