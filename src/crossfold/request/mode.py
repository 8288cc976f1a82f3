"""Which part a job plays: the driver, one fold, the user's script, or one training.

A published form asks for cross-validation without naming any of our switches: the built-in
XGBoost's ``_kfold``, the published pipeline's ``k`` and ``train_src``, the RAPIDS example's
environment variable ``CV_FOLDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfold.contract.hyperparameters import is_nothing, unquote
from crossfold.contract.parameter_kinds import Integer
from crossfold.contract.parameters import decode_as
from crossfold.errors import UserError
from crossfold.request.job_request import Mode, PublishedForm

_AT_LEAST_TWO = Integer(2)
_COMPANIONS_OF_K = ("train_src", "kernel", "c")

SWITCHES = ("cv_folds", "cv_strategy", "fold_column")
"""Each of these asks for folds."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published form and the number of folds that comes with it."""

    form: PublishedForm
    n_folds: int | None


def find_program(given: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return the user's program, if there is one."""
    text = unquote(given.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM") or "")
    return None if is_nothing(text) else text


def find_published(given: Mapping[str, str], environ: Mapping[str, str]) -> Published | None:
    """Return the published form that asks for cross-validation, strongest first.

    A bare ``k`` is none: it belongs to the algorithm.

    Raises
    ------
    UserError
        A number of folds is no integer of at least 2.
    """
    if is_given(given, "_kfold"):
        return Published("_kfold", _n_folds(given["_kfold"], "hyperparameter '_kfold'"))
    if is_given(given, "k") and any(is_given(given, name) for name in _COMPANIONS_OF_K):
        return Published("k", _n_folds(given["k"], "hyperparameter 'k'"))
    if is_given(given, "train_src"):
        return Published("train_src", None)
    if not is_nothing(unquote(environ.get("CV_FOLDS", ""))):
        n_folds = _n_folds(environ["CV_FOLDS"], "environment variable 'CV_FOLDS'")
        return Published("CV_FOLDS", n_folds)
    return None


def choose_mode(
    given: Mapping[str, str],
    *,
    published: Published | None,
    program: str | None,
    force_driver: bool,
) -> Mode:
    """Decide: one fold before driver before script before one training.

    Published forms do not count where the user's script trains.
    """
    if is_given(given, "cv_fold_index"):
        return "fold"
    if force_driver or any(is_given(given, name) for name in SWITCHES):
        return "driver"
    if program is not None:
        return "script"
    return "single" if published is None else "driver"


def choose_n_folds(own: int | None, published: Published | None, mode: Mode) -> int | None:
    """Return the number of folds; None where nobody gave one.

    The environment yields to ``cv_folds``, and in a fold so does every published form, which the
    fold may have inherited.

    Raises
    ------
    UserError
        Two hyperparameters name two numbers.
    """
    other = None if published is None else published.n_folds
    if own is None or other is None:
        return other if own is None else own
    form = "" if published is None else published.form
    is_inherited = mode == "fold" or form == "CV_FOLDS"
    if own != other and not is_inherited:
        raise UserError(
            f"hyperparameters 'cv_folds' and {form!r} "
            f"contradict each other ({own} and {other}); keep one"
        )
    return own


def is_given(given: Mapping[str, str], name: str) -> bool:
    """Whether a hyperparameter is there and is not None."""
    return name in given and not is_nothing(unquote(given[name]))


def _n_folds(text: str, what: str) -> int:
    n_folds: int = decode_as(_AT_LEAST_TWO, text, what)
    return n_folds
