"""Errors, sorted by who can mend them.

::

    CrossfoldError
    ├── UserError        the hyperparameters, the data or the request are at fault
    ├── AlgorithmError   a library failed to fit or to predict
    └── PlatformError    the machine or AWS failed: disk, memory, a killed process, a stop

The class name is the first word of ``/opt/ml/output/failure``, as AWS's own containers print it
(AWS docs, "How Amazon SageMaker Processes Training Output").
"""

from __future__ import annotations


class CrossfoldError(Exception):
    """Base of every error that this project raises on purpose."""


class UserError(CrossfoldError):
    """Something that the user gave is wrong; the message says what and what to do."""


class AlgorithmError(CrossfoldError):
    """A library failed on input that passed every check."""


class PlatformError(CrossfoldError):
    """The platform failed: a full disk, a killed process, a stop before a model existed."""
