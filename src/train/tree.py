"""Whether there is a job where we were told to look, before anything is written there.

SageMaker mounts ``/opt/ml`` with its folders ``input`` and ``output``; ``docker run`` mounts what
its user names, so that in a container each of them may be missing, and the failure file is written
all the same.  Where ``SAGEMAKER_BASE_DIR`` moves the root it is a person's word, and may be
mistyped.
"""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.contract.paths import DEFAULT_ROOT, OptMl
from crossfold.errors import UserError

_VARIABLE = "SAGEMAKER_BASE_DIR"


def require_tree(opt_ml: OptMl, environ: Mapping[str, str]) -> None:
    """Refuse a root that holds no job.

    Raises
    ------
    UserError
        It is no folder; or it was moved to a folder without ``input``, where no script needs none.
    """
    given, place = environ.get(_VARIABLE), opt_ml.root.absolute()
    if not given:
        if not place.is_dir():
            raise UserError(
                f"there is no folder '{place}', which SageMaker and `docker run --volume` mount; "
                f"elsewhere, say by {_VARIABLE} which folder has 'input'"
            )
        return
    if not place.is_dir():
        fault = f"there is no folder '{place}'"
    elif not (place / "input").is_dir() and not environ.get("SAGEMAKER_PROGRAM"):
        fault = f"'{place}' has no folder 'input'"
    else:
        return
    raise UserError(
        f"{_VARIABLE} is {given!r}, but {fault}; expected the folder that has 'input/config' and "
        f"'input/data', as below {DEFAULT_ROOT}: correct the variable"
    )
