"""What the page's files are held to without a browser: contrast, and nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

STATIC = ROOT / "local_test/control_plane/page/static"
FILES = sorted(STATIC.iterdir())
CODE = [path for path in FILES if path.suffix == ".js"]
STYLES = [path for path in FILES if path.suffix == ".css"]

# Text on its ground; WCAG 2.2, success criterion 1.4.3, asks for 4.5.
TEXTS = [
    *[("ink", ground) for ground in ("ground", "surface", "raised", "failed-ground")],
    *[("quiet", ground) for ground in ("ground", "surface", "raised")],
    *[("accent", ground) for ground in ("ground", "surface", "raised")],
    *[(kind, f"{kind}-ground") for kind in ("done", "live", "early", "stopped", "failed")],
    *[("best", ground) for ground in ("surface", "raised")],
    ("failed", "surface"),
]
# Text on the row of the best trial, whose ground is a little of the best's colour.
IN_BEST_ROW = ["ink", "quiet", "accent", "best"]
# Marks, lines and edges of controls; 1.4.11 asks for 3.
MARKS = [
    *[(kind, "surface") for kind in ("done", "live", "early", "stopped", "failed", "axis")],
    ("axis", "ground"),
    ("seq-best", "surface"),
    ("seq-worst", "surface"),
    ("ink", "accent-ground"),
]


Colour = tuple[float, float, float]


def colours(theme: str) -> dict[str, Colour]:
    """Return the named colours of ``light`` or ``dark``."""
    text = (STATIC / "theme.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", text, flags=re.DOTALL)
    assert len(blocks) == 2
    named = re.findall(r"--([\w-]+): #([0-9a-f]{6});", blocks[theme == "dark"])
    return {
        name: (int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255)
        for name, code in named
    }


def luminance(colour: Colour) -> float:
    """Return the relative luminance as WCAG 2.2 defines it."""
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(theme: str, one: str, other: str) -> float:
    named = colours(theme)
    return ratio(named[one], named[other])


def ratio(one: Colour, other: Colour) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def mixed(one: Colour, other: Colour, part: float) -> Colour:
    """Return what `part` of a colour makes with the rest of the other one."""
    red, green, blue = (a * part + b * (1 - part) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def declared(file: str, pattern: str) -> float:
    """Return the number that a style sheet has at the one place that the pattern describes."""
    found = re.findall(pattern, (STATIC / file).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(found) == 1
    return float(found[0])


def test_black_on_white_is_21_to_1() -> None:
    assert luminance((1.0, 1.0, 1.0)) == pytest.approx(1.0)
    assert luminance((0.0, 0.0, 0.0)) == 0.0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme: str) -> None:
    faint = {pair: contrast(theme, *pair) for pair in TEXTS}

    assert {pair: found for pair, found in faint.items() if found < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_can_be_seen(theme: str) -> None:
    faint = {pair: contrast(theme, *pair) for pair in MARKS}

    assert {pair: found for pair, found in faint.items() if found < 3.0} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_the_row_of_the_best_trial_can_be_read(theme: str) -> None:
    named = colours(theme)
    part = declared("tables.css", r"tr\.is-best > \* \{\s+background: color-mix\(.*?(\d+)%") / 100
    row = mixed(named["best"], named["surface"], part)

    faint = {name: ratio(named[name], row) for name in IN_BEST_ROW}

    assert {name: found for name, found in faint.items() if found < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_that_let_others_shine_through_can_be_seen(theme: str) -> None:
    named = colours(theme)
    opacity = declared("charts.css", r"path\.trial-line \{[^}]*stroke-opacity: ([\d.]+);")
    without = declared("charts.css", r"line\.has-none \{[^}]*stroke-opacity: ([\d.]+);")
    drawn = {"seq-best": opacity, "seq-worst": opacity, "axis": without}

    faint = {
        name: ratio(mixed(named[name], named["surface"], part), named["surface"])
        for name, part in drawn.items()
    }

    assert {name: found for name, found in faint.items() if found < 3.0} == {}


def test_both_themes_name_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_text_never_becomes_markup(path: Path) -> None:
    """The policy's trusted types refuse it too, in browsers that know them."""
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"

    assert re.findall(sinks, path.read_text(encoding="utf-8")) == []


def test_nothing_comes_from_elsewhere() -> None:
    namespace = "http://www.w3.org/2000/svg"
    addresses = {
        path.name: found
        for path in FILES
        if (found := re.findall(r"(?:https?:)?//[\w.-]+\.\w[^\s\"'>]*", _without(path, namespace)))
    }

    assert addresses == {}


def test_the_document_has_no_script_and_no_handler_of_its_own() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"\son\w+=|\sstyle=|javascript:", text) == []
    assert '<html lang="en">' in text
    assert "<main" in text


@pytest.mark.parametrize("path", [*CODE, *STYLES], ids=lambda path: path.name)
def test_a_file_has_at_most_400_lines_and_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 400
    assert lines[0].startswith(("// ", "/* "))


def _without(path: Path, namespace: str) -> str:
    return path.read_text(encoding="utf-8").replace(namespace, "")
