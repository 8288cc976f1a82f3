"""What a driver's fold jobs are run with: an API, a clock, chance and a log, all of them given."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cv_driver.aws.api import SageMakerApi


@dataclass(frozen=True, slots=True)
class World:
    """What a driver acts on; a simulation's is made up.

    Attributes
    ----------
    api : SageMakerApi
    now : callable
        Returns seconds since 1970.
    sleep : callable
        Lets so many seconds pass.
    chance : random.Random
    log : callable
        Writes one line.
    """

    api: SageMakerApi
    now: Callable[[], float]
    sleep: Callable[[float], None]
    chance: random.Random
    log: Callable[[str], None]
