"""What the user says about the columns, before any file is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FolderLayout = Literal["published", "train_and_validation", "train_alone"]
"""How folds that lie ready are laid out over channels; see `crossfold.data.ready_folders`."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """The meaning of columns; each is named by its name or by its 0-based index as text.

    Attributes
    ----------
    label : str, optional
        None means the first column.
    header : {'auto', 'true', 'false'}
        Whether CSV files start with a row of names.
    """

    label: str | None = None
    header: Literal["auto", "true", "false"] = "auto"
    id_column: str | None = None
    weight_column: str | None = None
    group_column: str | None = None
    time_column: str | None = None
    fold_column: str | None = None
    drop_columns: tuple[str, ...] = ()
    categorical_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelFiles:
    """One input channel: its name, its read-only folder and the ContentType given, if any."""

    name: str
    folder: Path
    content_type: str | None = None
