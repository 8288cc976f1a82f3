"""What the page does when there is much to show, and when the plane goes away and comes back."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_test.control_plane.training.simulated import Script
from tests.browser.chromium import Browser, Tab
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.processing_world import ProcessingWorld
from tests.control_plane.served_page import GROUP, ServedPage
from tests.control_plane.whole_plane import whole_plane

# Of a processor, for everything that the test asks of the page; measured were 0.6.
MOST_S = 3.0


def test_five_hundred_jobs_stay_fluid(served: ServedPage, opened: Callable[..., Tab]) -> None:
    page = opened(f"http://127.0.0.1:{served.port}/_plane/", title="Jobs")
    page.call("Performance.enable", timeDomain="threadTicks")
    for number in range(500):
        served.simulated.call("CreateTrainingJob", **training_request(f"job-{number:03}"))

    page.wait("document.body.innerText.includes('500 training jobs')")
    page.wait("document.querySelectorAll('tbody tr').length === 100")
    page.evaluate("document.querySelector('#find').focus()")
    page.type("job-25")
    page.wait("document.querySelectorAll('tbody tr').length === 10")
    page.evaluate("document.querySelector('#find').select()")
    page.press("Delete")
    page.wait("document.querySelectorAll('tbody tr').length === 100")
    page.evaluate("document.querySelector('.button').click()")
    page.wait("document.querySelectorAll('tbody tr').length === 500")
    served.simulated.call("StopTrainingJob", TrainingJobName="job-499")
    page.wait("document.querySelector('tbody tr').innerText.includes('Stop')")

    assert page.evaluate("document.activeElement.id") == "find"
    metrics = page.call("Performance.getMetrics")["metrics"]
    worked_s = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
    assert 0 < worked_s < MOST_S


def test_a_plane_that_comes_back_is_found_again(chromium: Browser) -> None:
    tab = chromium.tab()
    is_live = "document.querySelector('#connection').innerText === 'Live'"
    with closing(ServedPage()) as served:
        served.simulated.call("CreateTrainingJob", **training_request("before"))
        tab.go(f"http://127.0.0.1:{served.port}/_plane/")
        tab.wait(f"{is_live} && document.body.innerText.includes('before')")
        tab.evaluate("window.loaded = 1")

    tab.wait("document.querySelector('#connection').innerText.includes('does not answer')")
    assert "before" in tab.text()

    with closing(ServedPage(port=served.port)) as again:
        again.simulated.call("CreateTrainingJob", **training_request("after"))
        tab.wait(f"{is_live} && document.body.innerText.includes('after')", seconds=20)
        assert "before" not in tab.text()
        assert tab.evaluate("window.loaded") == 1
        tab.close()


def test_a_plane_that_is_away_is_not_asked_without_end(chromium: Browser) -> None:
    tab = chromium.tab()
    course = "document.querySelector('#card-Course')"
    with closing(ServedPage()) as served:
        served.simulated.call("CreateTrainingJob", **training_request("demo"))
        tab.go(f"http://127.0.0.1:{served.port}/_plane/")
        tab.wait("document.body.innerText.includes('demo')")
    tab.wait("document.querySelector('#connection').innerText.includes('does not answer')")

    tab.evaluate("location.hash = '#/training/demo'")
    tab.evaluate("new Promise((done) => setTimeout(done, 300))")

    asked = [url for url in tab.requests if "training?name=demo" in url]
    assert 1 <= len(asked) <= 3, len(asked)
    with closing(ServedPage(served.simulated, port=served.port)):
        tab.wait(course, seconds=20)
        tab.close()


def test_a_long_log_is_followed_and_never_loaded_whole(
    served: ServedPage, opened: Callable[..., Tab]
) -> None:
    served.simulated.call("CreateTrainingJob", **training_request("demo"))
    lines = [f"line {each}" for each in range(20_000)]
    served.logs.kept = {"demo/algo-1-1": lines}
    page = opened(f"http://127.0.0.1:{served.port}/_plane/#/training/demo", title="demo")
    page.wait("document.querySelectorAll('.line').length === 400")
    assert page.evaluate("document.querySelector('.lines').lastElementChild.innerText").endswith(
        "line 19999"
    )

    lines += [f"more {each}" for each in range(2900)]
    page.wait("document.querySelector('.lines').innerText.includes('more 2899')")
    assert page.evaluate("document.querySelectorAll('.line').length") == 3000
    at_end = "(() => { const l = document.querySelector('.lines');"
    at_end += " return l.scrollHeight - l.clientHeight - l.scrollTop < 2; })()"
    assert page.evaluate(at_end)

    page.evaluate("document.querySelector('.lines').scrollTop = 0")
    page.wait("!document.querySelector('#log-follow').checked")
    lines.append("the last")
    page.wait("document.querySelector('.lines').innerText.includes('the last')")
    assert not page.evaluate(at_end)
    assert [url for url in page.requests if "/logs?" in url and GROUP.rpartition("/")[2] in url]


@pytest.fixture
def whole(chromium: Browser, tmp_path: Path) -> Iterator[ServedPage]:
    """Serve a plane with one of each kind of thing that is no training."""
    with closing(ServedPage(whole_plane(tmp_path))) as served:
        yield served


def test_every_kind_of_thing_has_its_table(whole: ServedPage, opened: Callable[..., Tab]) -> None:
    page = opened(f"http://127.0.0.1:{whole.port}/_plane/", title="Jobs")
    page.wait("document.querySelectorAll('h2').length === 7")
    heads = page.evaluate("[...document.querySelectorAll('h2')].map((each) => each.innerText)")
    page.evaluate("[...document.links].find((each) => each.innerText === 'group/1').click()")
    page.wait("document.activeElement.innerText === 'group/1'")

    assert heads[:3] == ["Endpoints", "Transform jobs", "Processing jobs"]
    assert "PendingManualApproval" in page.text("main")
    page.evaluate("location.hash = '#/resource/Endpoints/e'")
    page.wait("document.querySelector('.log-pane')?.innerText.includes('No lines yet')")


def test_the_clock_of_a_processing_job_goes_on(
    whole: ServedPage, opened: Callable[..., Tab]
) -> None:
    """The plane itself says something every ten seconds."""
    processing = ProcessingWorld(Script(exits_s=1e9))
    processing.create("slow")
    processing.run(5)
    whole.simulated.clock.advance(100)
    whole.simulated.plane.processing = processing.jobs
    address = f"http://127.0.0.1:{whole.port}/_plane/#/resource/Processing%20jobs/slow"
    page = opened(address, title="slow")
    time = "document.querySelector('h1 + .facts').lastElementChild.innerText"

    began = page.evaluate(time)

    page.wait(f"/^1:[0-9]+$/.test({time}) && {time} !== '{began}'", seconds=4)


def test_numbers_are_those_of_others(served: ServedPage, opened: Callable[..., Tab]) -> None:
    page = opened(f"http://127.0.0.1:{served.port}/_plane/", title="Jobs")
    values = [57.1, 61.25, 55.5, 58.0]
    found = page.evaluate(f"({_ASKED})({values})")

    assert found["spread"]["mean"] == statistics.mean(values)
    assert abs(found["spread"]["deviation"] - statistics.stdev(values)) < 1e-12
    assert found["least"] == [None, 5, 3, 3, 3]
    assert found["most"] == [None, 5, 5, 5, 5]
    assert [round(each, 9) for each in found["log"]] == [0, 50, 100]
    assert round(found["reverse"], 9) == 0.5
    assert found["ticks"][0] == [58, 60, 62, 64, 66]
    assert found["ticks"][1] == [0.001, 0.01, 0.1, 1, 10, 100]
    assert found["ticks"][2] == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert found["reversed"] == [0.999, 0.997, 0.99, 0.97, 0.9, 0.7]
    assert found["whole"] == [2, 3, 4]
    assert found["times"] == [[15, 30, 45, 60, 75], [3600, 7200]]
    assert found["words"] == ["1:02:05", "58.7772", "gbtree"]
    assert found["exact"] == ["0x1F", "Infinity", "1_000", "250000", "0.1235", "1e-8"]
    assert found["pieces"] == [["_tuning_", "objective_", "metric"], ["::"], ["a.", "b:", "c"]]


# Called with the values whose spread is asked for.
_ASKED = """async (values) => {
  const {spread, bestSoFar} = await import('/_plane/page/model.js');
  const scales = await import('/_plane/page/scales.js');
  const {countTicks, logTicks, niceTicks, scaleOf, timeTicks} = scales;
  const {duration, number, pieces, valueShown} = await import('/_plane/page/wording.js');
  const trial = (number, value, status) => ({number, value, status, job: '', epochs: []});
  const trials = [trial(1, null, 'Failed'), trial(2, 5, 'Completed'), trial(3, 3, 'Completed'),
    trial(4, 1, 'InProgress'), trial(5, 4, 'Stopped')];
  const best = (type) => bestSoFar({objective: {type}, trials}).map((each) => each.best);
  const log = scaleOf({low: 0.01, high: 1, scale: 'Logarithmic'}, [], 0, 100);
  const reverse = scaleOf({low: 0.9, high: 0.99, scale: 'ReverseLogarithmic'}, [], 0, 1);
  return {
    spread: spread(values),
    least: best('Minimize'),
    most: best('Maximize'),
    log: [0.01, 0.1, 1].map(log.place),
    reversed: scaleOf({low: 0.5, high: 0.999, scale: 'ReverseLogarithmic'}, [], 0, 1).ticks,
    whole: scaleOf({low: 2, high: 4, is_whole: true}, [], 0, 1).ticks,
    times: [timeTicks(1, 89, 6), timeTicks(100, 9000, 3)],
    exact: ['0x1F', 'Infinity', '1_000', '250000', '0.123456', '1e-8']
      .map(valueShown),
    pieces: ['_tuning_objective_metric', '::', 'a.b:c'].map(pieces),
    reverse: reverse.place(1 - Math.sqrt(0.001)),
    ticks: [niceTicks(56.9, 67.8, 5), logTicks(0.001, 100), countTicks(20, 10)],
    words: [duration(3725), number(58.77720055252813), valueShown('"gbtree"')],
  };
}"""
