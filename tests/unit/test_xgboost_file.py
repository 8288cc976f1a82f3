from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from crossfold.algorithms.xgboost_file import require_sound_trees
from crossfold.errors import UserError
from tests.unit.model_examples import COLUMNS, fitted, make_rows, make_spec


def _tree(name: str, position: int, value: int, folder: Path) -> bytes:
    """Return a model file in which one index of its first tree is another."""
    booster = _booster()
    document = json.loads(booster.save_raw("json"))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    trees[0][name][position] = value
    path = folder / "changed.json"
    path.write_text(json.dumps(document))
    return bytes(xgboost.Booster(model_file=path).save_raw("ubj"))


def _booster() -> Any:
    model: Any = fitted(make_spec("xgboost", "binary", 2, num_round=3), make_rows(2).examples())
    return model.booster


def test_a_sound_file_passes() -> None:
    require_sound_trees("model.ubj", bytes(_booster().save_raw("ubj")), len(COLUMNS))


def test_a_linear_model_has_no_trees_and_passes() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    params = {"booster": "gblinear", "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(rows, rows[:, 0]), 2)

    require_sound_trees("model.ubj", bytes(booster.save_raw("ubj")), 2)


def test_a_split_on_a_feature_beyond_the_last_is_refused(tmp_path: Path) -> None:
    data = _tree("split_indices", 0, len(COLUMNS), tmp_path)

    with pytest.raises(UserError, match="'model.ubj' is damaged: split_indices"):
        require_sound_trees("model.ubj", data, len(COLUMNS))


def test_children_beyond_the_last_node_are_refused() -> None:
    data = bytes(_booster().save_raw("ubj"))
    found = re.search(rb"left_children\[\$l#L.{8}", data, re.DOTALL)
    assert found is not None
    wild = data[: found.end()] + (10_000).to_bytes(4, "big") + data[found.end() + 4 :]

    with pytest.raises(UserError, match="left_children"):
        require_sound_trees("model.ubj", wild, len(COLUMNS))


def test_a_tree_whose_root_is_its_own_child_is_refused(tmp_path: Path) -> None:
    data = _tree("left_children", 0, 0, tmp_path)

    with pytest.raises(UserError, match="two parents"):
        require_sound_trees("model.ubj", data, len(COLUMNS))


def test_an_array_that_ends_beyond_the_file_is_refused() -> None:
    data = bytes(_booster().save_raw("ubj"))
    found = re.search(rb"right_children\[\$l#L", data)
    assert found is not None
    wild = data[: found.end()] + (1 << 40).to_bytes(8, "big") + data[found.end() + 8 :]

    with pytest.raises(UserError, match="right_children"):
        require_sound_trees("model.ubj", wild, len(COLUMNS))
