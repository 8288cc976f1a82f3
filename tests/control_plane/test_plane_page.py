from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from local_test.control_plane.page.endpoint_detail import endpoint_detail
from local_test.control_plane.page.events import Events
from local_test.control_plane.page.feed import Feed
from local_test.control_plane.page.routes import _policy
from local_test.control_plane.page.training_detail import training_detail
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.log_reader import StoredLogs
from local_test.control_plane.training.record import Emission
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import ValidationError
from tests.control_plane.hosting_world import DATA, IMAGE, HostingPlane, Life, variant
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.served_page import GROUP, ServedPage
from tests.control_plane.shown_jobs import document, training
from tests.control_plane.simulated_plane import SimulatedPlane


@pytest.fixture
def served() -> Iterator[ServedPage]:
    served = ServedPage()
    yield served
    served.close()


def test_the_page_may_load_its_own_files_and_nothing_else(served: ServedPage) -> None:
    status, headers, body = served.get("/_plane/")

    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    folder = f"http://127.0.0.1:{served.port}/_plane/page/"
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert rules["default-src"] == "'none'"
    # Not 'self': an object of the local S3 has the same origin.
    assert (rules["script-src"], rules["style-src"]) == (folder, folder)
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["frame-ancestors"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b'src="page/main.js"' in body


def test_a_host_that_is_no_name_opens_no_hole_in_the_policy(served: ServedPage) -> None:
    host = "127.0.0.1:80; script-src *"
    status, headers, _ = served.get("/_plane/", Host=host)

    assert status != 200 or "script-src *" not in headers["Content-Security-Policy"]
    assert "*" not in _policy(host)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("main.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
def test_files_have_their_types(served: ServedPage, name: str, kind: str) -> None:
    status, headers, _ = served.get(f"/_plane/page/{name}")

    assert status == 200
    assert headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    "name", ["../routes.py", "..%2Froutes.py", "%2Fetc%2Fpasswd", "", ".", "none.js", "a%00.js"]
)
def test_nothing_else_of_the_disk_is_served(served: ServedPage, name: str) -> None:
    status, _, body = served.get(f"/_plane/page/{name}")

    assert status in {400, 404}
    assert b"import" not in body


@pytest.mark.parametrize("path", ["/_plane/events", "/_plane/logs", "/_plane/page/main.js"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_origins_hold_no_place(served: ServedPage, path: str, site: str) -> None:
    status, headers, _ = served.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")

    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    assert served.page.events.n_open == 0


def test_a_link_to_the_page_works_from_anywhere(served: ServedPage) -> None:
    assert served.get("/_plane/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert served.get("/_plane/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403


@pytest.mark.parametrize("path", ["/", "/_plane"])
def test_a_person_at_the_root_is_led_to_the_page_and_a_client_of_s3_is_not(
    served: ServedPage, path: str
) -> None:
    status, headers, _ = served.get(path, Sec_Fetch_Mode="navigate")

    assert (status, headers["Location"]) == (302, "/_plane/")
    assert b"ListAllMyBucketsResult" in served.get("/")[2]


def test_the_plane_tells_its_jobs_as_they_change(served: ServedPage) -> None:
    served.simulated.call("CreateTrainingJob", **training_request("demo"))
    with served.listener_of_events() as listener:
        text = listener.recv(1 << 16).decode()
        while '"name": "demo"' not in text:
            text += listener.recv(1 << 16).decode()

    assert "Content-Type: text/event-stream" in text
    assert "event: changes" in text


def test_pages_that_went_away_leave_their_places_while_nothing_is_told(
    served: ServedPage,
) -> None:
    served.page.events = Events(Feed(document), clock=lambda: 0.0)
    listeners = [served.listener_of_events() for _ in range(24)]
    _until(lambda: served.page.events.n_open == 24)
    status, answer = served.json("/_plane/events")
    assert (status, "close one of them" in answer["message"]) == (503, True)

    for listener in listeners:
        listener.close()
    _until(lambda: served.page.events.n_open == 0)


def test_a_page_that_reads_nothing_is_given_up(served: ServedPage) -> None:
    long = [training(f"job-{each}", last_line="x" * 20_000) for each in range(1000)]
    served.page.events = Events(Feed(lambda: document(training_jobs=long)))

    with served.listener_of_events(receives=4096):
        _until(lambda: served.page.events.n_open == 1)
        _until(lambda: served.page.events.n_open == 0)

    # The plane has answered others meanwhile, and does so now.
    assert served.json("/_plane/faults") == (200, [])


def test_a_log_is_told_from_its_end_and_then_what_was_added(served: ServedPage) -> None:
    lines = [f"line {each}" for each in range(2500)]
    served.logs.kept = {"demo/algo-1-1": ["old"], "demo/algo-1-2": lines, "demo-2/algo-1-1": []}
    where = f"/_plane/logs?group={GROUP}&prefix=demo/"

    _, newest = served.json(where)
    _, from_start = served.json(f"{where}&first=0")
    lines.append("x" * 5000)
    _, added = served.json(f"{where}&first={newest['end']}")
    _, older = served.json(f"{where}&stream=demo/algo-1-1")

    assert newest["streams"] == ["demo/algo-1-1", "demo/algo-1-2"]
    assert (newest["stream"], newest["first"], newest["end"]) == ("demo/algo-1-2", 2100, 2500)
    assert newest["lines"][-1] == [2499.0, "line 2499"]
    assert (from_start["first"], from_start["end"], from_start["total"]) == (0, 1000, 2500)
    assert [text for _, text in added["lines"]] == [f"{'x' * 4000} … 1000 more characters"]
    assert [text for _, text in older["lines"]] == ["old"]


def test_a_job_without_a_log_has_no_lines(served: ServedPage) -> None:
    _, piece = served.json(f"/_plane/logs?group={GROUP}&prefix=demo/")

    assert (piece["streams"], piece["lines"], piece["total"]) == ([], [], 0)


@pytest.mark.parametrize("first", ["-1", "x", "1e3", "²", "9" * 20])
def test_what_is_no_number_of_a_line_is_refused(served: ServedPage, first: str) -> None:
    status, answer = served.json(f"/_plane/logs?group={GROUP}&prefix=demo/&first={quote(first)}")

    assert status == 400
    assert "expected the number of a line, from 0" in answer["message"]


def test_lines_are_read_where_the_plane_keeps_them(tmp_path: Any) -> None:
    store = Store("eu-west-3", bodies=tmp_path / "bodies")
    store.put_log_lines(GROUP, "log-reader/algo-1-5", [(5.0, "first"), (6.25, "<b>second</b>")])
    logs = StoredLogs("eu-west-3")

    assert logs.streams(GROUP, "log-reader/") == ["log-reader/algo-1-5"]
    assert logs.streams("/none", "log-reader/") == []
    assert logs.count(GROUP, "log-reader/algo-1-5") == 2
    assert logs.lines(GROUP, "log-reader/algo-1-5", 1, 9) == [(6.25, "<b>second</b>")]
    assert (logs.count(GROUP, "none"), logs.lines(GROUP, "none", 0, 9)) == (0, [])


def test_a_job_is_told_with_its_course_and_every_value() -> None:
    simulated = SimulatedPlane(Script(exits_s=2.0))
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/rows/"}
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    simulated.call("CreateTrainingJob", **training_request("demo", InputDataConfig=channels))
    simulated.run(5)
    job = simulated.plane.training.get("demo")
    job.emissions += [Emission("loss", float(at), at) for at in range(5000)]
    job.emissions += [Emission("rmse", 2.0, 7.0)]

    detail = training_detail(simulated.plane, "demo")

    assert [each["status"] for each in detail["transitions"]][-1] == "Completed"
    assert detail["series"]["rmse"] == [(7.0, 2.0)]
    thinned = detail["series"]["loss"]
    assert (len(thinned), thinned[0], thinned[-1]) == (600, (0, 0.0), (4999, 4999.0))
    assert detail["channels"] == {"train": "s3://bucket/rows/"}
    with pytest.raises(ValidationError, match="Requested resource not found"):
        training_detail(simulated.plane, "never")


def served_by(hosting: HostingPlane, key: str = "variants") -> list[tuple[Any, ...]]:
    told = endpoint_detail(hosting.plane, "e")[key]
    members = ("name", "weight", "share", "ready", "wanted", "requests")
    variants = told if key == "variants" else told["variants"]
    return [tuple(each[member] for member in members) for each in variants]


def test_an_endpoint_is_told_with_its_variants_and_what_they_were_asked() -> None:
    hosting = HostingPlane()
    hosting.deploy(
        variant("a", InitialVariantWeight=1, InitialInstanceCount=2),
        variant("b", InitialVariantWeight=3),
    )
    for _ in range(5):
        hosting.picked("a")

    told = endpoint_detail(hosting.plane, "e")

    assert served_by(hosting) == [("a", 1.0, 0.25, 2, 2, 5), ("b", 3.0, 0.75, 1, 1, 0)]
    first = told["variants"][0]
    assert (first["model"], first["image"], first["data"]) == ("m", IMAGE, DATA)
    assert (told["config"], told["coming"], first["instance_type"]) == ("c", None, "ml.m5.large")
    with pytest.raises(ValidationError, match="Could not find endpoint"):
        endpoint_detail(hosting.plane, "never")


def test_an_endpoint_on_its_way_is_told_with_what_serves_and_what_shall() -> None:
    hosting = HostingPlane(Life(ready_s=3.0))
    hosting.model()
    hosting.config("c")
    hosting.endpoint()
    assert served_by(hosting) == [("AllTraffic", 1.0, 1.0, 0, 1, 0)]
    hosting.run(6)

    hosting.config("next", variant("new", InitialInstanceCount=2))
    hosting.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="next")
    hosting.run(1)

    assert served_by(hosting) == [("AllTraffic", 1.0, 1.0, 1, 1, 0)]
    assert served_by(hosting, "coming") == [("new", 1.0, 1.0, 0, 2, 0)]
    assert endpoint_detail(hosting.plane, "e")["coming"]["config"] == "next"


def test_an_endpoint_that_failed_is_told_as_it_was_whatever_was_deleted_or_replaced() -> None:
    hosting = HostingPlane(Life(fails_s=1.0))
    hosting.model()
    hosting.config("c")
    hosting.endpoint()
    hosting.run(5)
    assert hosting.status() == "Failed"
    assert served_by(hosting) == [("AllTraffic", 1.0, 1.0, 0, 1, 0)]

    told = endpoint_detail(hosting.plane, "e")
    hosting.call("DeleteModel", ModelName="m")
    hosting.call("DeleteEndpointConfig", EndpointConfigName="c")
    assert endpoint_detail(hosting.plane, "e") == told
    hosting.model("m", Image="image:2")
    hosting.config("c", variant("other"))
    assert endpoint_detail(hosting.plane, "e") == told
    later = HostingPlane(journal=hosting.journal)
    assert endpoint_detail(later.plane, "e") == told


def test_a_plane_without_endpoints_says_so(served: ServedPage) -> None:
    status, answer = served.json("/_plane/endpoint?name=e")

    assert (status, "has no endpoints" in answer["message"]) == (400, True)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
