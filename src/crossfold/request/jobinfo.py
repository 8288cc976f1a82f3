"""The best trial's hyperparameters, as the published pipeline hands them to its final training.

Source: AWS sample pipeline: channel ``jobinfo`` with ``jobinfo.json``, whose ``hyperparams`` are
those of the best driver job, all texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossfold.contract.hyperparameters import texts_of
from crossfold.contract.json_files import read_json_object
from crossfold.errors import UserError

FILE_NAME = "jobinfo.json"
_OF_THE_DRIVER = frozenset(
    {"k", "train_src", "test_src", "output_path", "instance_type", "region", "CV_FOLDS"}
)


def hyperparameters_of_jobinfo(path: Path) -> dict[str, str]:
    """Read the hyperparameters of a final training: the best trial's, without the driver's.

    Parameters
    ----------
    path : Path
        ``jobinfo.json``, or the folder of the channel that holds it.

    Raises
    ------
    UserError
        There is no such file, or it has no object ``hyperparams`` of texts.
    """
    file = path / FILE_NAME if path.is_dir() else path
    content = read_json_object(file)
    if content is None:
        raise UserError(f"channel 'jobinfo' has no file {FILE_NAME}; expected it in {path}")
    hyperparams = content.get("hyperparams")
    if not isinstance(hyperparams, Mapping):
        raise UserError(
            f"channel 'jobinfo', file {FILE_NAME}: 'hyperparams' is {hyperparams!r}; "
            "expected an object of hyperparameters"
        )
    texts = texts_of(hyperparams.items(), f"channel 'jobinfo', file {FILE_NAME}")
    return {name: text for name, text in texts.items() if not _is_of_the_driver(name)}


def _is_of_the_driver(name: str) -> bool:
    return name in _OF_THE_DRIVER or name.startswith(("cv_", "fold_", "_", "sagemaker_"))
