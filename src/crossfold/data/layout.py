"""Which column of the files is what: the roles that the user gave, and the features that remain.

Decided from names and options alone, before any row is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from crossfold.data.blocks import FileReader, Kind
from crossfold.data.cells import nearest_name, quoted
from crossfold.data.channel_files import DataFile
from crossfold.data.options import DataOptions
from crossfold.errors import UserError

Role = Literal["label", "weight", "group", "time", "fold", "id"]
Wanted = Literal["table", "features", "label", "roles"]
"""What a set of files holds: everything, all but the label, or the label alone.

For ``roles`` only the columns that the user gave a role are read, whatever the others hold.
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that all files of a job share, by their position in the first file.

    Attributes
    ----------
    kinds : tuple of Kind
        How each column is to be read.
    roles : mapping of role to position
    features : tuple of int
        Positions of the feature columns, in the order of the first file.
    categorical : frozenset of int
        Columns that are categories whatever their cells look like.
    label_is_given : bool
        Whether the user named the label.
    """

    names: tuple[str, ...]
    is_named: bool
    kinds: tuple[Kind, ...]
    roles: Mapping[Role, int]
    features: tuple[int, ...]
    categorical: frozenset[int]
    label_is_given: bool

    @property
    def read(self) -> tuple[int, ...]:
        """Return the positions of the columns to read: features, then roles."""
        return (*self.features, *self.roles.values())

    def with_text(self, position: int) -> Layout:
        """Read one more column as text."""
        kinds = list(self.kinds)
        kinds[position] = "text"
        return replace(self, kinds=tuple(kinds))


def plan_layout(
    readers: Sequence[FileReader], options: DataOptions, *, wanted: Wanted = "table"
) -> Layout:
    """Give each column its role; names come from the first reader.

    Raises
    ------
    UserError
        A name is unknown or has two roles, names repeat, or no feature remains.
    """
    first = readers[0]
    names = _distinct_names(first)
    columns = _Columns(first.file, names, is_named=first.names is not None)
    roles = _roles(columns, options, wanted)
    dropped = [columns.position("drop_columns", name) for name in options.drop_columns]
    _refuse_dropped_roles(columns, roles, dropped)
    taken = {*dropped, *roles.values()}
    has_features = wanted in ("table", "features")
    features = tuple(p for p in range(len(names)) if p not in taken) if has_features else ()
    if has_features and not features:
        raise UserError(
            f"{first.file.place()} leaves no feature: each of its {len(names)} columns has a role "
            "or is in drop_columns; keep at least one"
        )
    if wanted == "label" and len(names) > 1:
        raise UserError(f"{first.file.place()} has {len(names)} columns; expected the label alone")
    categorical = frozenset(
        columns.position("categorical_columns", name) for name in options.categorical_columns
    )
    kinds = _merged_kinds(readers, names, roles, categorical)
    for position in (*features, *roles.values()):
        is_time = position == roles.get("time")
        _check_kind(first.file, names[position], kinds[position], is_time=is_time)
    return Layout(
        names=names,
        is_named=columns.is_named,
        kinds=kinds,
        roles=roles,
        features=features,
        categorical=categorical,
        label_is_given=options.label is not None,
    )


def positions_in(reader: FileReader, layout: Layout, first: DataFile) -> tuple[int, ...]:
    """Return where a file has each column of the layout.

    Raises
    ------
    UserError
        The file has other columns than the job's first file.
    """
    if (reader.names is not None) != layout.is_named:
        has, lacks = (reader.file, first) if reader.names is not None else (first, reader.file)
        raise UserError(
            f"{has.place()} has column names, {lacks.place()} has none; "
            "give all files a header or none, or set hyperparameter 'header'"
        )
    if reader.names is None:
        return _same_width(reader, layout, first)
    names = _distinct_names(reader)
    missing = [name for name in layout.names if name not in names]
    unknown = [name for name in names if name not in layout.names]
    if missing or unknown:
        raise UserError(
            f"{reader.file.place()} has other columns than {first.place()}: "
            f"missing {_listed(missing)}, unknown {_listed(unknown)}; "
            "give all files the same columns (their order is free)"
        )
    where = {name: position for position, name in enumerate(names)}
    return tuple(where[name] for name in layout.names)


class _Columns:
    """Finds columns by name or index."""

    def __init__(self, file: DataFile, names: tuple[str, ...], *, is_named: bool) -> None:
        self.file, self.names, self.is_named = file, names, is_named

    def position(self, option: str, name: str) -> int:
        """Return the column that a hyperparameter names; a name goes before an index."""
        if name in self.names:
            return self.names.index(name)
        if name.isascii() and name.isdigit() and int(name[:9]) < len(self.names):
            return int(name)
        allowed = (
            nearest_name(name, self.names)
            if self.is_named
            else f"the file has no header; expected a 0-based index below {len(self.names)}"
        )
        raise UserError(
            f"hyperparameter {option!r} names the column {quoted(name)}, which "
            f"{self.file.place()} does not have; {allowed}"
        )


def _roles(columns: _Columns, options: DataOptions, wanted: Wanted) -> dict[Role, int]:
    given: dict[Role, tuple[str, str | None]] = {
        "weight": ("weight_column", options.weight_column),
        "group": ("group_column", options.group_column),
        "time": ("time_column", options.time_column),
        "fold": ("fold_column", options.fold_column),
        "id": ("id_column", options.id_column),
    }
    roles: dict[Role, int] = {}
    option_of: dict[int, str] = {}
    if wanted != "features" and not (wanted == "roles" and options.label is None):
        label = options.label
        roles["label"] = 0 if label is None else columns.position("label", label)
        option_of[roles["label"]] = "label"
    for role, (option, name) in given.items():
        if name is not None:
            position = columns.position(option, name)
            if position in option_of:
                _refuse_second_role(columns.names[position], option_of[position], option, options)
            option_of[position] = option
            roles[role] = position
    return roles


def _refuse_second_role(name: str, one: str, other: str, options: DataOptions) -> None:
    default = " (the first column, as no label is given)" if options.label is None else ""
    label = default if one == "label" else ""
    raise UserError(
        f"column {quoted(name)} has two roles, hyperparameters {one!r}{label} and {other!r}; "
        "give each column one role"
    )


def _refuse_dropped_roles(
    columns: _Columns, roles: Mapping[Role, int], dropped: Sequence[int]
) -> None:
    for role, position in roles.items():
        if position in dropped:
            raise UserError(
                f"column {quoted(columns.names[position])} is the {role} column and in "
                "drop_columns; take it out of one, or set hyperparameter 'label' where it is the "
                "label only because it comes first (a column with a role is never a feature)"
            )


def _distinct_names(reader: FileReader) -> tuple[str, ...]:
    if reader.names is None:
        return tuple(str(position) for position in range(len(reader.kinds)))
    repeated = sorted({name for name in reader.names if reader.names.count(name) > 1})
    if repeated:
        raise UserError(
            f"{reader.file.place()} has several columns named {_listed(repeated)}; "
            "give each column a name of its own"
        )
    return reader.names


def _merged_kinds(
    readers: Sequence[FileReader],
    names: tuple[str, ...],
    roles: Mapping[Role, int],
    categorical: frozenset[int],
) -> tuple[Kind, ...]:
    """Read a column as text when any file's beginning says so."""
    kinds: list[Kind] = list(readers[0].kinds)
    for reader in readers[1:]:
        own = reader.names or tuple(str(position) for position in range(len(reader.kinds)))
        of_name = dict(zip(own, reader.kinds, strict=True))
        for position, name in enumerate(names):
            kinds[position] = _common_kind(kinds[position], of_name.get(name, kinds[position]))
    texts = {*categorical, *(roles[role] for role in ("group", "fold") if role in roles)}
    for position, kind in enumerate(kinds):
        if position in texts and kind != "other":
            kinds[position] = "text"
        if position == roles.get("id") and kind != "other":
            kinds[position] = "raw"
    return tuple(kinds)


def _common_kind(one: Kind, other: Kind) -> Kind:
    if "other" in (one, other):
        return "other"
    return one if one == other else "text"


def _check_kind(file: DataFile, name: str, kind: Kind, *, is_time: bool) -> None:
    if kind == "other":
        raise UserError(
            f"{file.place(column=name)} is nested or of a type that is neither number, text nor "
            "date; convert it, or name it in drop_columns"
        )
    if kind == "time" and not is_time:
        raise UserError(
            f"{file.place(column=name)} holds dates, which no algorithm here takes as they are; "
            "turn them into numbers, or name the column in drop_columns or categorical_columns"
        )


def _same_width(reader: FileReader, layout: Layout, first: DataFile) -> tuple[int, ...]:
    if len(reader.kinds) != len(layout.names):
        raise UserError(
            f"{reader.file.place()} has {len(reader.kinds)} columns, {first.place()} has "
            f"{len(layout.names)}; give all files the same columns"
        )
    return tuple(range(len(layout.names)))


def _listed(names: Sequence[str], most: int = 10) -> str:
    listed = ", ".join(quoted(name) for name in names[:most]) or "none"
    return f"{listed}, … ({len(names)} in all)" if len(names) > most else listed
