"""The page for everybody: by keyboard, by name and role, narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any

import pytest

from tests.browser.chromium import Browser, Tab
from tests.browser.simulated_jobs import FAILED, LONG, TRIALS, full_plane, score
from tests.control_plane.served_page import ServedPage

# Every view, and what of it is there last.
VIEWS = {
    "#/": "#card-Training-jobs",
    "#/tuning/search": "#card-Trials",
    "#/training/solo": "#card-Course",
    f"#/training/{LONG}": "#card-Course",
    "#/training/none": "#card-Not-found",
}
NAMED = {"link", "button", "searchbox", "combobox", "checkbox", "progressbar", "table", "log"}
FOCUS = """(() => {
  const on = document.activeElement;
  const box = on.getBoundingClientRect();
  const style = getComputedStyle(on);
  return {tag: on.tagName, text: (on.innerText ?? '').trim(), has: box.width * box.height > 1,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
})()"""


@pytest.fixture(scope="module")
def page_url(chromium: Browser) -> Iterator[str]:
    """Serve a plane with 20 trials and more; nothing of it changes."""
    served = ServedPage(full_plane())
    yield f"http://127.0.0.1:{served.port}/_plane/"
    served.close()


def stops(page: Tab) -> list[dict[str, Any]]:
    """Return what Tab goes through, to the end of the page."""
    found: list[dict[str, Any]] = []
    while len(found) < 200:
        page.press("Tab")
        found.append(page.evaluate(FOCUS))
        if found[-1]["tag"] == "BODY":
            return found[:-1]
    raise AssertionError("the focus never leaves the page")


def is_whole(view: str) -> str:
    """Return the claim that a view is drawn with its charts, and as wide as it shall be."""
    return f"""document.querySelector('#main > .view')?.shown.key === {view!r}
      && document.querySelector({VIEWS[view]!r})
      && document.querySelector('.log-pane > p')?.innerText !== ''
      && [...document.querySelectorAll('.canvas')].every((canvas) =>
        Number(canvas.querySelector('svg').getAttribute('width')) ===
        Math.floor(canvas.querySelector('.watch').getBoundingClientRect().width))"""


def tab_to(page: Tab, claim: str) -> None:
    page.wait(f"[...document.querySelectorAll('a, button, summary, .plot')].some((on) => {claim})")
    for _ in range(100):
        page.press("Tab")
        if page.evaluate(f"(() => {{ const on = document.activeElement; return {claim}; }})()"):
            return
    raise AssertionError(f"Tab never comes to {claim}")


def test_everything_can_be_done_by_keyboard(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(page_url, title="Jobs")
    page.press("Tab")
    assert page.evaluate(FOCUS)["text"] == "Skip to the content"
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

    tab_to(page, "on.ariaExpanded === 'false'")
    page.press("Enter")
    page.wait("document.querySelectorAll('tr.is-fold').length === 3")
    page.press("Space")
    page.wait("document.querySelectorAll('tr.is-fold').length === 0")

    page.evaluate("document.activeElement.blur()")
    tab_to(page, "on.innerText === 'search'")
    page.press("Enter")
    page.wait("document.activeElement.id === 'title' && location.hash === '#/tuning/search'")

    tab_to(page, "on.ariaLabel?.startsWith('Tuning curve')")
    page.press("ArrowRight", 3)
    page.press("ArrowLeft")
    page.wait("document.querySelector('.readout').innerText.startsWith('#2 ')")
    assert f"#2 {score(2):.6g}" in page.text(".readout")
    page.press("Enter")
    page.wait("location.hash.startsWith('#/training/search-002-')")
    page.wait("document.activeElement.id === 'title'")


@pytest.mark.parametrize("view", list(VIEWS)[:3])
def test_every_stop_of_the_keyboard_is_seen(
    page_url: str, opened: Callable[..., Tab], view: str
) -> None:
    page = opened(page_url + view)
    page.wait(is_whole(view))

    found = stops(page)

    assert len(found) >= 5
    assert [each for each in found if not (each["has"] and each["ring"])] == []


def test_a_chart_that_is_not_drawn_yet_has_its_place(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(f"{page_url}#/tuning/search", script=_NEVER_MEASURED)
    page.wait("document.querySelectorAll('.plot').length >= 2")

    heights = page.evaluate("[...document.querySelectorAll('.plot')].map((c) => c.clientHeight)")

    assert min(heights) >= 200


def test_rows_are_sorted_by_keyboard_and_the_focus_stays(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(f"{page_url}#/tuning/search", title="search")
    tab_to(page, "on.className === 'sort' && on.innerText.includes('validation:rmse')")

    page.press("Enter")

    page.wait("document.querySelector('th[aria-sort=ascending]')?.innerText.includes('rmse')")
    first = "document.querySelector('tbody tr[role=row] .badge').closest('tr').innerText"
    assert page.evaluate("document.activeElement.className") == "sort"
    assert page.evaluate(first).startswith("#12 best")
    page.press("Enter")
    page.wait("document.querySelector('th[aria-sort=descending]')")
    assert page.evaluate(first).startswith("#1\t")


@pytest.mark.parametrize("view", VIEWS)
def test_a_screen_reader_is_told_what_everything_is(
    page_url: str, opened: Callable[..., Tab], view: str
) -> None:
    page = opened(page_url + view)
    page.wait(is_whole(view))
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    said = [
        (each["role"]["value"], each.get("name", {}).get("value", ""), each)
        for each in nodes
        if not each["ignored"]
    ]

    roles = [role for role, _, _ in said]
    assert [role for role, name, _ in said if role in NAMED and not name.strip()] == []
    assert (roles.count("main"), roles.count("banner")) == (1, 1)
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    assert {"status"} <= set(roles)
    # Nothing is read out that nobody asked for, however often it changes.
    aloud = "[...document.querySelectorAll('[role=status]')].map((each) => each.innerText)"
    assert set(page.evaluate(aloud)) == {"Live", ""}
    charts = page.evaluate("[...document.querySelectorAll('.plot')].map((each) => each.ariaLabel)")
    assert all(len(label) > 30 for label in charts)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => +h.tagName[1])")
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_who_comes_back_is_where_they_were(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(page_url, height=300, title="Jobs")
    page.evaluate("document.querySelector('#card-Training-jobs').scrollIntoView()")
    page.wait("scrollY > 50")
    place = page.evaluate("scrollY")
    page.evaluate("document.querySelector('a[href=\"#/training/solo\"]').click()")
    page.wait("document.activeElement.id === 'title' && scrollY === 0")

    page.evaluate("history.back()")

    page.wait("document.activeElement.innerText === 'solo'")
    assert page.evaluate("scrollY") == place
    page.evaluate("history.forward()")
    page.wait("document.activeElement.id === 'title' && location.hash === '#/training/solo'")


def test_a_place_is_kept_where_the_page_is_drawn_as_it_is_left(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(page_url, height=300, title="Jobs")
    page.evaluate("document.querySelector('#card-Training-jobs').scrollIntoView()")
    place = page.evaluate("scrollY")
    page.evaluate(_GO_BEFORE_DRAWING)
    page.wait("document.activeElement.innerText === 'Not found'")

    page.evaluate("history.back()")

    page.wait("document.querySelector('#title').innerText === 'Jobs'")
    assert page.evaluate("scrollY") == place > 50


@pytest.mark.parametrize("width", [320, 1280])
def test_a_name_is_broken_where_its_words_meet(
    page_url: str, opened: Callable[..., Tab], width: int
) -> None:
    page = opened(f"{page_url}#/training/solo", width=width, title="solo")
    page.wait(is_whole("#/training/solo"))

    pieces = page.evaluate(_PIECES)

    assert ["_tuning_", "objective_", "metric"] in [[text for text, _ in name] for name in pieces]
    assert [text for name in pieces for text, n_lines in name if n_lines > 1] == []


def test_a_chart_can_be_read_as_a_table(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(f"{page_url}#/tuning/search", title="search")
    tab_to(page, "on.tagName === 'SUMMARY'")
    page.press("Enter")
    page.wait("document.querySelectorAll('details[open] tbody tr').length > 0")

    rows = page.evaluate(
        "[...document.querySelectorAll('details[open] tbody tr')].map((row) => row.innerText)"
    )

    best = min(score(number) for number in range(1, 8) if number not in FAILED)
    assert len(rows) == TRIALS
    assert rows[6].split("\t") == ["#7", "Completed", f"{score(7):.6g}", f"{best:.6g}"]
    assert rows[3].split("\t")[1:3] == ["Failed", "–"]


def test_a_metric_over_time_can_be_read_as_a_table(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(f"{page_url}#/training/solo", title="solo")
    tab_to(page, "on.tagName === 'SUMMARY' && on.innerText.includes('validation:rmse')")
    page.press("Enter")
    page.wait("document.querySelectorAll('details[open] tbody tr').length === 2")

    rows = page.evaluate(
        "[...document.querySelectorAll('details[open] tbody tr')].map((row) => row.innerText)"
    )

    assert [row.split("\t")[1] for row in rows] == ["2.5", "2.25"]


def test_trials_that_failed_for_one_reason_stand_together(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(f"{page_url}#/tuning/search", title="search")
    page.wait("document.querySelectorAll('.reasons li').length === 1")

    links = page.evaluate(
        "[...document.querySelectorAll('.reasons a')].map((each) => each.innerText)"
    )

    assert links == [f"#{number}" for number in FAILED]


def test_a_search_that_finds_nothing_says_so(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(page_url, title="Jobs")
    page.evaluate("document.querySelector('#find').focus()")

    page.type("no such thing")

    page.wait("document.querySelector('main h2').innerText === 'Nothing found'")
    assert page.evaluate("document.activeElement.id") == "find"


def test_a_failed_trial_has_a_form_of_its_own(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(f"{page_url}#/tuning/search", title="search")
    page.wait(f"document.querySelectorAll('[data-trial]').length === {TRIALS}")

    forms = {
        kind: set(
            page.evaluate(
                f"[...document.querySelectorAll('[data-trial] .mark-{kind}')]"
                ".map((mark) => mark.getAttribute('d'))"
            )
        )
        for kind in ("done", "failed")
    }

    assert [len(each) for each in forms.values()] == [1, 1]
    assert forms["done"] != forms["failed"]
    failed = page.evaluate("document.querySelectorAll('[data-trial] .mark-failed').length")
    assert failed == len(FAILED)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_the_page(
    page_url: str, opened: Callable[..., Tab], *, is_dark: bool
) -> None:
    page = opened(page_url)
    page.prefer(is_dark=is_dark)
    wide = []
    for view, width in product(VIEWS, (320, 700, 1440)):
        page.evaluate(f"location.hash = {view!r}")
        page.size(width, 800)
        page.wait(f"innerWidth === {width} && {is_whole(view)}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append((view, width))

    assert wide == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(15, 20, 27)" if is_dark else "rgb(245, 246, 248)")


def test_a_value_and_its_deviation_stand_on_one_line_of_a_card(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(f"{page_url}#/tuning/search", width=360, title="search")
    page.wait(is_whole("#/tuning/search"))

    cells = page.evaluate("[...document.querySelector('tr.is-best').cells].map((c) => c.innerText)")
    heights = page.evaluate(
        "[...document.querySelector('tr.is-best').cells].map((cell) => cell.offsetHeight)"
    )

    assert [cells[0], cells[6]] == ["#12 best", f"{score(12):g} ± 1"]
    assert max(heights) < 1.5 * min(heights)


def test_paper_is_white_and_has_no_controls(page_url: str, opened: Callable[..., Tab]) -> None:
    page = opened(f"{page_url}#/tuning/search", title="search")
    page.wait(is_whole("#/tuning/search"))
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=dark)

    page.wait("getComputedStyle(document.body).color === 'rgb(22, 32, 46)'")
    shown = page.evaluate(
        "[...document.querySelectorAll('button, input, select, summary, .skip')]"
        ".filter((each) => each.checkVisibility() && !each.closest('thead')).length"
    )

    assert shown == 0


def test_nothing_moves_for_those_who_do_not_want_it(
    page_url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(page_url)
    moving = "document.getAnimations().filter((each) => each.playState === 'running').length"

    page.prefer(is_dark=False, is_still=False)
    page.wait(f"{moving} > 0")
    page.prefer(is_dark=False, is_still=True)
    page.wait(f"{moving} === 0")


# Of every name of a hyperparameter its words, and on how many lines each of them stands.
_PIECES = """[...document.querySelectorAll('dt')].map((name) =>
  [...name.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => {
    const range = document.createRange();
    range.selectNode(node);
    return [node.data, new Set([...range.getClientRects()].map((box) => box.top)).size];
  }))"""
_NEVER_MEASURED = "window.ResizeObserver = class { observe() {} }"
# Goes to a shorter view just before the page draws, which is before the page is told.
_GO_BEFORE_DRAWING = """(() => {
  const {requestAnimationFrame} = window;
  window.requestAnimationFrame = (draw) => requestAnimationFrame((now) => {
    window.requestAnimationFrame = requestAnimationFrame;
    location.hash = '#/training/none';
    draw(now);
  });
})()"""
