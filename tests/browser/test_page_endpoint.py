"""The page of an endpoint: what serves, what shall serve, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.chromium import Browser, Tab
from tests.control_plane.hosting_world import DATA, HostingPlane, Life, variant
from tests.control_plane.served_page import ServedPage

ROWS = "[...document.querySelectorAll('tbody tr')].map((row) => row.innerText.split('\\t'))"


@pytest.fixture
def hosting(chromium: Browser) -> HostingPlane:
    """Return a plane whose endpoint ``e`` has two variants; new servers take their time."""
    hosting = HostingPlane(Life(ready_s=3.0))
    hosting.deploy(variant("a", InitialVariantWeight=1), variant("b", InitialVariantWeight=3))
    return hosting


@pytest.fixture
def page(hosting: HostingPlane, opened_at: Callable[[HostingPlane], Tab]) -> Tab:
    """Open the endpoint's page."""
    page = opened_at(hosting)
    page.wait("document.querySelectorAll('tbody tr').length === 2")
    return page


@pytest.fixture
def opened_at(serve: Callable[..., ServedPage], opened: Callable[..., Tab]) -> Callable[..., Tab]:
    """Open the page of a plane's endpoint ``e``."""

    def open_endpoint(hosting: HostingPlane) -> Tab:
        port = serve(hosting).port
        return opened(f"http://127.0.0.1:{port}/_plane/#/resource/Endpoints/e", title="e")

    return open_endpoint


def test_an_endpoint_is_shown_with_its_variants(page: Tab, hosting: HostingPlane) -> None:
    for _ in range(4):
        hosting.picked("b")

    page.wait(f"{ROWS}[1][3] === '4'")

    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == ["a", "b"]
    assert [" ".join(row[1].split()) for row in rows] == ["Ready 1 of 1 × ml.m5.large"] * 2
    assert [" ".join(row[2].split()) for row in rows] == [
        "1 25 % of requests",
        "3 75 % of requests",
    ]
    assert rows[0][6] == DATA
    assert page.evaluate("document.querySelector('dd a').innerText") == "c"
    page.evaluate("document.querySelector('td a').click()")
    page.wait("document.querySelector('#title').innerText === 'm'")


def test_all_of_many_models_can_be_shown(page: Tab, hosting: HostingPlane) -> None:
    for number in range(120):
        hosting.model(f"model-{number:03}")
    page.evaluate("location.hash = '#/'")
    models = "document.querySelectorAll('section[aria-labelledby=card-Models] tbody tr').length"
    page.wait(f"{models} === 100")

    page.evaluate("document.querySelector('section[aria-labelledby=card-Models] .button').click()")
    page.wait(f"{models} === 121")

    # In service is done; a model is in no state.
    page.evaluate("document.querySelector('#state').value = 'done'")
    page.evaluate("document.querySelector('#state').dispatchEvent(new Event('change'))")
    page.wait(f"{models} === 0 && document.querySelectorAll('tbody tr').length === 1")


def test_a_screen_reader_hears_that_an_endpoint_serves(page: Tab, hosting: HostingPlane) -> None:
    said = "document.querySelector('#announcements').innerText"
    hosting.endpoint("other")
    page.evaluate("location.hash = '#/'")
    page.wait("document.querySelector('td .badge-live')")

    hosting.run(6)

    page.wait(f"{said} === 'Endpoint other: InService'")


def test_what_shall_serve_stands_beside_what_serves(page: Tab, hosting: HostingPlane) -> None:
    ready_s = iter((3.0, 8.0))
    hosting.servers.plan = lambda _: Life(ready_s=next(ready_s))
    hosting.config("next", variant("new", InitialInstanceCount=2))
    hosting.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="next")
    hosting.run(1)

    page.wait("document.querySelector('#card-Variants-to-come')")
    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == ["a", "b", "new"]
    assert " ".join(rows[2][1].split()) == "Pending 0 of 2 × ml.m5.large"

    hosting.run(4)
    page.wait(f"{ROWS}[2]?.[1].includes('1 of 2')")
    hosting.run(9)
    page.wait(f"{ROWS}.length === 1 && {ROWS}[0][1].includes('2 of 2')")


def test_why_an_endpoint_failed_stands_above_it(opened_at: Callable[[HostingPlane], Tab]) -> None:
    hosting = HostingPlane(Life(fails_s=1.0, reason="<b>no /ping</b>"))
    hosting.model()
    hosting.config("c")
    hosting.endpoint()
    hosting.run(4)

    page = opened_at(hosting)

    page.wait("document.querySelectorAll('tbody tr').length === 1")
    assert page.text(".failure").split("\n\n") == ["Why it failed", "<b>no /ping</b>"]
    assert " ".join(page.evaluate(ROWS)[0][1].split()) == "Stopped 0 of 1 × ml.m5.large"
