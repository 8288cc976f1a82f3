"""TOML files → cases; a word that no case knows is refused, with the nearest that is known."""

from __future__ import annotations

import dataclasses
import difflib
import graphlib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local_test.conformance.case import BACKENDS, Case

CASES = Path(__file__).parent / "cases"
_MERGED = ("hyperparameters", "environment", "files", "expect")


class CaseError(Exception):
    """A case file says something that cannot be meant."""


def read_cases(paths: Iterable[Path] = (CASES,)) -> dict[str, Case]:
    """Read files, and the ``*.toml`` files of folders, in sorted order.

    Raises
    ------
    CaseError
        A file is malformed, or two cases share a name.
    """
    cases: dict[str, Case] = {}
    for path in paths:
        for file in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
            for case in _cases_of(file):
                if case.name in cases:
                    raise CaseError(f"{file.name}: there are two cases {case.name!r}")
                cases[case.name] = case
    for case in cases.values():
        for name in case.needs:
            if name not in cases:
                raise CaseError(f"case {case.name!r} needs {name!r}, which is no case")
    _refuse_circles(cases)
    return cases


def _refuse_circles(cases: Mapping[str, Case]) -> None:
    needs = {name: case.needs for name, case in cases.items()}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        raise CaseError(f"cases need each other in a circle: {error.args[1]}") from error


def _cases_of(file: Path) -> list[Case]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"{file.name} cannot be read: {error}") from error
    unknown = document.keys() - {"defaults", "case"}
    if unknown:
        raise CaseError(f"{file.name} has {sorted(unknown)}; expected [defaults] and [[case]]")
    defaults = document.get("defaults", {})
    return [_case(_with_defaults(table, defaults), file) for table in document.get("case", [])]


def _with_defaults(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **table}
    for word in _MERGED:
        if word in defaults and word in table:
            merged[word] = {**defaults[word], **table[word]}
    return merged


def _case(table: Mapping[str, Any], file: Path) -> Case:
    where = f"{file.name}: case {table.get('name', '?')!r}"
    case: Case = _built(Case, table, where)
    for backend in case.backends:
        if backend not in BACKENDS:
            raise CaseError(f"{where}: backend {backend!r}; expected some of {list(BACKENDS)}")
    return case


def _built(kind: Any, table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = [word for word in table if word not in hints]
    if unknown:
        near = difflib.get_close_matches(unknown[0], hints, n=1)
        advice = f"; did you mean {near[0]!r}?" if near else f"; expected some of {sorted(hints)}"
        raise CaseError(f"{where} has {unknown[0]!r}{advice}")
    for each in dataclasses.fields(kind):
        is_needed = each.default is each.default_factory is dataclasses.MISSING
        if is_needed and each.name not in table:
            raise CaseError(f"{where} has no {each.name!r}")
    values = {word: _value(hints[word], table[word], f"{where}, {word}") for word in table}
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    wanted = next(option for option in options if option is not types.NoneType)
    if dataclasses.is_dataclass(wanted) and isinstance(value, dict):
        return _built(wanted, value, where)
    outer = typing.get_origin(wanted) or wanted
    if outer is Mapping and isinstance(value, dict):
        return _mapping(wanted, value, where)
    if outer is list and isinstance(value, list):
        (inner,) = typing.get_args(wanted)
        return [_value(inner, each, f"{where}[{n}]") for n, each in enumerate(value)]
    if outer is float and type(value) in (int, float):
        return float(value)
    if outer is Any or (outer in (str, int, bool) and type(value) is outer):
        return value
    expected = "a table" if outer is Mapping or dataclasses.is_dataclass(outer) else outer.__name__
    raise CaseError(f"{where} is {value!r}; expected {expected}")


def _mapping(hint: Any, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    _, inner = typing.get_args(hint)
    return {name: _value(inner, each, f"{where}.{name}") for name, each in table.items()}
