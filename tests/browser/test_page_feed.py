"""What the page does when there is much to show, and when the plane goes away and comes back."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_test.control_plane.listening import hold_port
from local_test.control_plane.training.simulated import Script
from tests.browser.chromium import Browser, Tab
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.processing_world import ProcessingWorld
from tests.control_plane.served_page import GROUP, ServedPage
from tests.control_plane.whole_plane import whole_plane


def test_five_hundred_jobs_stay_fluid(served: ServedPage, opened: Callable[..., Tab]) -> None:
    page = opened(f"http://127.0.0.1:{served.port}/_plane/", title="Jobs", script=_BY_HAND)
    page.call("Profiler.enable")
    page.call("Profiler.startPreciseCoverage", callCount=True, detailed=False)
    add_jobs(page, served, range(250))
    page.evaluate("document.querySelector('.button').click()")
    page.wait("document.querySelectorAll('tbody tr').length === 250")
    half = redrawn(page)

    calls(page)
    add_jobs(page, served, range(250, 500))
    page.wait("document.querySelectorAll('tbody tr').length === 500")
    coming = calls(page)
    whole = redrawn(page)

    # What comes at once is drawn at once, and what has not changed is not made again.
    assert coming["main.js draw"] <= coming["feed.js take"] + 1
    assert (half["dom.js create"], whole["dom.js create"]) == (0, 0)
    # Twice the jobs are twice the work; were each compared with all, they would be four times it.
    assert half["overview.js trainingRow"] == 250
    assert whole.total() < 2.5 * half.total()

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


def add_jobs(page: Tab, served: ServedPage, numbers: range) -> None:
    """Create jobs, and wait until the page knows them."""
    for number in numbers:
        served.simulated.call("CreateTrainingJob", **training_request(f"job-{number:03}"))
    page.wait(
        f"document.querySelector('.facts').innerText.includes('{numbers.stop} training jobs')"
    )


def redrawn(page: Tab) -> Counter[str]:
    """Return how often each function of the page ran where it was drawn again, and no more."""
    for _ in range(20):
        calls(page)
        page.evaluate("window.tick(), new Promise(requestAnimationFrame)")
        made = calls(page)
        # The plane says something at times.
        if made["main.js draw"] == 1 and not made["feed.js take"]:
            return made
    raise AssertionError(f"the page never draws once for a tick: {made}")


def calls(page: Tab) -> Counter[str]:
    """Return how often each function of the page has run since this was last asked."""
    made: Counter[str] = Counter()
    for script in page.call("Profiler.takePreciseCoverage")["result"]:
        file = script["url"].rpartition("/")[2]
        for function in script["functions"] if file.endswith(".js") else ():
            made[f"{file} {function['functionName']}"] += function["ranges"][0]["count"]
    return made


@pytest.fixture
def port() -> Iterator[int]:
    """Keep a port from others while the plane that listens on it is away."""
    port, holder = hold_port()
    with holder:
        yield port


def test_a_plane_that_comes_back_is_found_again(chromium: Browser, port: int) -> None:
    tab = chromium.tab()
    is_live = "document.querySelector('#connection').innerText === 'Live'"
    with closing(ServedPage(port=port)) as served:
        served.simulated.call("CreateTrainingJob", **training_request("before"))
        tab.go(f"http://127.0.0.1:{port}/_plane/")
        tab.wait(f"{is_live} && document.body.innerText.includes('before')")
        tab.evaluate("window.loaded = 1")

    tab.wait("document.querySelector('#connection').innerText.includes('does not answer')")
    assert "before" in tab.text()

    with closing(ServedPage(port=port)) as again:
        again.simulated.call("CreateTrainingJob", **training_request("after"))
        tab.wait(f"{is_live} && document.body.innerText.includes('after')")
        assert "before" not in tab.text()
        assert tab.evaluate("window.loaded") == 1
        tab.close()


def test_a_plane_that_is_away_is_not_asked_without_end(chromium: Browser, port: int) -> None:
    tab = chromium.tab()
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=f"{_BY_HAND}; {_KNOWN_SOURCES}")
    with closing(ServedPage(port=port)) as served:
        served.simulated.call("CreateTrainingJob", **training_request("demo"))
        tab.go(f"http://127.0.0.1:{port}/_plane/")
        tab.wait("document.body.innerText.includes('demo')")
    tab.wait("document.querySelector('#connection').innerText.includes('does not answer')")
    # From here on nothing but the test gives the page a reason to draw.
    tab.evaluate(_SILENT)

    tab.evaluate("location.hash = '#/training/demo'")
    tab.wait("window.failed.length > 0")
    tab.evaluate(_TWO_FRAMES)
    assert tab.evaluate("window.failed") == ["training?name=demo"]

    tab.evaluate("window.tick(), 0")
    tab.wait("window.failed.length > 1")
    with closing(ServedPage(served.simulated, port=port)):
        tab.evaluate("window.tick(), 0")
        tab.wait("document.querySelector('#card-Course')")
        tab.close()


def test_a_long_log_is_followed_and_never_loaded_whole(
    served: ServedPage, opened: Callable[..., Tab]
) -> None:
    served.simulated.call("CreateTrainingJob", **training_request("demo"))
    lines = [f"line {each}" for each in range(20_000)]
    last = "document.querySelector('.lines').lastElementChild"
    served.logs.kept = {"demo/algo-1-1": lines}
    page = opened(f"http://127.0.0.1:{served.port}/_plane/#/training/demo", title="demo")
    page.wait("document.querySelectorAll('.line').length === 400")
    assert page.evaluate(f"{last}.textContent").endswith("line 19999")

    lines += [f"more {each}" for each in range(2900)]
    page.wait(f"{last}.textContent.endsWith('more 2899')")
    assert page.evaluate("document.querySelectorAll('.line').length") == 3000
    at_end = "(() => { const l = document.querySelector('.lines');"
    at_end += " return l.scrollHeight - l.clientHeight - l.scrollTop < 2; })()"
    assert page.evaluate(at_end)

    page.evaluate("document.querySelector('.lines').scrollTop = 0")
    page.wait("!document.querySelector('#log-follow').checked")
    lines.append("the last")
    page.wait(f"{last}.textContent.endsWith('the last')")
    assert not page.evaluate(at_end)
    assert [url for url in page.requests if "/logs?" in url and GROUP.rpartition("/")[2] in url]


@pytest.fixture
def whole(serve: Callable[..., ServedPage], tmp_path: Path) -> ServedPage:
    """Serve a plane with one of each kind of thing that is no training."""
    return serve(whole_plane(tmp_path))


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
    """The plane's own clock stands still; what the page hears of it does not let time pass."""
    processing = ProcessingWorld(Script(exits_s=1e9))
    processing.create("slow")
    processing.run(5)
    whole.simulated.clock.advance(100)
    whole.simulated.plane.processing = processing.jobs
    address = f"http://127.0.0.1:{whole.port}/_plane/#/resource/Processing%20jobs/slow"
    page = opened(address, title="slow")
    time = "document.querySelector('h1 + .facts').lastElementChild.innerText"

    began = page.evaluate(time)

    page.wait(f"/^[1-9]:[0-9][0-9]$/.test({time}) && {time} !== '{began}'")


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


# What the page does each second is done when `tick` is called.
_BY_HAND = "window.setInterval = (act) => { window.tick = act; }"
_KNOWN_SOURCES = """
window.sources = [];
window.EventSource = class extends EventSource {
  constructor(address) {
    super(address);
    window.sources.push(this);
  }
}"""
# Nothing is heard of the plane and no time passes; what could not be asked for is in `failed`.
_SILENT = """(() => {
  const {fetch} = window;
  window.failed = [];
  for (const source of window.sources) source.close();
  window.EventSource = class { addEventListener() {} close() {} };
  window.setTimeout = () => 0;
  window.fetch = (address) => fetch(address).catch((error) => {
    if (address.startsWith('training?')) window.failed.push(address);
    throw error;
  });
})()"""
_TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
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
