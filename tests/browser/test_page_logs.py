"""A log on the page: read backwards, left and come back to, and far behind its end."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.chromium import Tab
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.served_page import ServedPage

N_LINES = "document.querySelectorAll('.line').length"
LAST = "(document.querySelector('.lines')?.lastElementChild?.textContent ?? '')"
FOLLOWS = "document.querySelector('#log-follow').checked"
SCROLLED = "document.querySelector('.lines').scrollTop"


def choose(page: Tab, stream: str) -> None:
    """Choose a stream in one breath, as a person does."""
    page.evaluate(f"""(() => {{
      const select = document.querySelector('#log-stream');
      select.value = {stream!r};
      select.dispatchEvent(new Event('change'));
    }})()""")


@pytest.fixture
def lines(served: ServedPage) -> list[str]:
    """Return the lines of job ``demo``'s log, to which a test adds."""
    served.simulated.call("CreateTrainingJob", **training_request("demo"))
    kept = [f"line {each}" for each in range(2500)]
    served.logs.kept = {"demo/algo-1-1": kept}
    return kept


@pytest.fixture
def page(served: ServedPage, lines: list[str], opened: Callable[..., Tab]) -> Tab:
    """Open the job's page and wait for its log."""
    page = opened(f"http://127.0.0.1:{served.port}/_plane/#/training/demo", title="demo")
    page.wait(f"{LAST}.endsWith('line {len(lines) - 1}')")
    return page


def test_who_comes_back_to_a_log_finds_it_again(page: Tab) -> None:
    page.evaluate("location.hash = '#/'")
    page.wait("document.querySelector('#title').innerText === 'Jobs'")
    page.evaluate("history.back()")
    page.wait("document.querySelector('#title').innerText === 'demo'")

    page.wait(f"{N_LINES} === 400 && {LAST}.endsWith('line 2499')")


def test_who_scrolls_just_before_lines_come_is_not_taken_back(page: Tab, lines: list[str]) -> None:
    page.evaluate(f"({_HOLD})((piece) => piece.lines.some(([, text]) => text === 'one more'))")
    page.wait("window.asked > 0")
    lines.append("one more")
    page.wait("window.held.length === 1")

    page.evaluate(f"{SCROLLED} = 0; window.held.shift()()")

    assert page.evaluate(f"{LAST}.endsWith('one more')")
    assert page.evaluate(SCROLLED) == 0
    page.wait(f"!{FOLLOWS}")


def test_the_last_lines_of_a_job_that_ends_while_its_log_is_asked_for_are_shown(
    page: Tab, served: ServedPage, lines: list[str]
) -> None:
    page.evaluate(f"({_HOLD})((piece) => piece.end === 2500)")
    page.wait("window.held.length === 1")

    lines.append("the very last")
    served.simulated.clock.advance(200)
    page.wait("document.querySelector('h1 + .facts .badge-done')")
    page.evaluate("window.held.shift()()")

    page.wait(f"{LAST}.endsWith('the very last')")


def test_earlier_lines_stay_where_they_are_read_while_others_come(
    page: Tab, lines: list[str]
) -> None:
    for loaded in range(800, 2501, 400):
        page.evaluate("document.querySelector('.log-tools .button').click()")
        page.wait(f"{N_LINES} === {min(loaded, 2500)}")
    page.evaluate("document.querySelector('.log-tools .button').click()")
    page.wait(f"{N_LINES} === 2500 && document.querySelector('.log-tools .button').hidden")
    assert not page.evaluate(FOLLOWS)
    page.evaluate(f"{SCROLLED} = 0")
    lines += [f"line {each}" for each in range(2500, 9000)]

    page.wait(
        f"{N_LINES} >= 6000 && document.querySelector('.log-pane > p').innerText.includes(';')"
    )

    assert page.evaluate("document.querySelector('.line').textContent").endswith("line 0")
    assert page.evaluate(SCROLLED) == 0
    page.evaluate("document.querySelector('#log-follow').click()")
    page.wait(f"{LAST}.endsWith('line 8999')")
    assert page.evaluate(N_LINES) <= 3000


def test_much_that_came_at_once_is_not_fetched_line_by_line(page: Tab, lines: list[str]) -> None:
    before = len(page.requests)
    lines += [f"line {each}" for each in range(2500, 200_000)]

    page.wait(f"{LAST}.endsWith('line 199999')")

    asked = {parse_qs(urlsplit(url).query).get("first", [""])[0] for url in page.requests[before:]}
    # Where the page was, the end, and where that is.
    assert asked <= {"2500", "", "200000"}
    assert "of 200000" in page.text(".log-pane > p")


def test_a_log_that_has_begun_again_is_shown_from_its_start(page: Tab, lines: list[str]) -> None:
    lines[:] = ["a new", "beginning"]

    page.wait(f"{LAST}.endsWith('beginning')")

    assert page.evaluate(N_LINES) == 2
    assert page.text(".log-pane > p") == "Lines 1 to 2 of 2"


def test_a_log_that_is_gone_leaves_no_lines(
    page: Tab, served: ServedPage, lines: list[str]
) -> None:
    served.logs.kept = {}
    page.wait(f"{N_LINES} === 0 && document.querySelector('.log-pane').innerText.includes('No')")

    lines[:] = ["again"]
    served.logs.kept = {"demo/algo-1-1": lines}

    page.wait(f"{N_LINES} === 1 && {LAST}.endsWith('again')")


def test_a_log_goes_on_when_its_page_is_looked_at_again(page: Tab, lines: list[str]) -> None:
    seen = "document.dispatchEvent(new Event('visibilitychange'))"
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    page.evaluate(_POLLED)
    page.wait("window.poll !== null")
    page.evaluate(f"{hidden % 'true'}; {seen}")

    lines.append("the last that is asked for")
    page.evaluate("(() => { const {poll} = window; window.poll = null; poll(); })()")
    page.wait(f"{LAST}.endsWith('the last that is asked for')")
    assert page.evaluate("window.poll") is None
    lines.append("while nobody looked")
    page.evaluate(f"{hidden % 'false'}; {seen}")

    page.wait(f"{LAST}.endsWith('while nobody looked')")
    assert page.evaluate("window.poll !== null")


def test_a_new_attempt_takes_the_place_of_the_old_one(
    page: Tab, served: ServedPage, lines: list[str]
) -> None:
    served.logs.kept["demo/algo-1-2"] = ["second attempt"]

    page.wait(f"{N_LINES} === 1 && {LAST}.endsWith('second attempt')")
    streams = "[...document.querySelectorAll('#log-stream option')].map((each) => each.innerText)"
    assert page.evaluate(streams) == ["algo-1-1", "algo-1-2"]
    choose(page, "demo/algo-1-1")
    page.wait(f"{N_LINES} === 400 && {LAST}.endsWith('line 2499')")


def test_who_reads_a_stream_keeps_it_when_another_begins(
    page: Tab, served: ServedPage, lines: list[str]
) -> None:
    page.evaluate(f"{SCROLLED} = 0")
    page.wait(f"!{FOLLOWS}")

    served.logs.kept["demo/algo-2-1"] = ["another host"]
    page.wait("document.querySelectorAll('#log-stream option').length === 2")
    lines.append("one more")
    page.wait(f"{LAST}.endsWith('one more')")

    assert page.evaluate("document.querySelector('#log-stream').value") == "demo/algo-1-1"
    assert page.evaluate(f"[{N_LINES}, {SCROLLED}]") == [401, 0]


def test_earlier_lines_of_a_stream_that_was_left_are_not_shown(
    page: Tab, served: ServedPage
) -> None:
    served.logs.kept = {"demo/algo-0-1": ["another host"], **served.logs.kept}
    page.wait("document.querySelectorAll('#log-stream option').length === 2")
    page.evaluate(f"({_HOLD})((piece) => piece.first === 1700)")
    page.evaluate("document.querySelector('.log-tools .button').click()")
    page.wait("window.held.length === 1")

    choose(page, "demo/algo-0-1")
    page.wait(f"{LAST}.endsWith('another host')")
    page.evaluate("window.held.shift()()")

    assert page.evaluate(N_LINES) == 1
    assert page.text(".log-pane > p") == "Lines 1 to 1 of 1"


# The first piece of which `isWanted` is taken where a function in `held` is called, and at once.
_HOLD = """(isWanted) => {
  const {fetch} = window;
  Object.assign(window, {held: [], asked: 0});
  let isHeld = false;
  window.fetch = async (address) => {
    window.asked += 1;
    const answer = await fetch(address);
    const piece = await answer.json();
    if (!isHeld && piece.streams && isWanted(piece)) {
      isHeld = true;
      await new Promise((done) => window.held.push(done));
    }
    return {ok: answer.ok, json: async () => piece};
  };
}"""
# What the page would do a second later is done when `poll` is called.
_POLLED = """(() => {
  const {setTimeout} = window;
  window.poll = null;
  window.setTimeout = (act, after) => {
    if (after !== 1000) return setTimeout(act, after);
    window.poll = act;
  };
})()"""
