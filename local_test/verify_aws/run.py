"""All probes on one side, several at a time; what each shows is made comparable.

A probe that breaks is an observation like others: the other side may not break there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from local_test.verify_aws.facts import Observation, comparable
from local_test.verify_aws.probes.hosting import hosting_probes
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.probes.processing import processing_probes
from local_test.verify_aws.probes.refusals import refusal_probes
from local_test.verify_aws.probes.training import training_probes
from local_test.verify_aws.probes.tuning import tuning_probes
from local_test.verify_aws.removal import remove_all
from local_test.verify_aws.side import Side

# As many as a new account may have instances of a small type at once, about.
_AT_ONCE = 4
_LOG = logging.getLogger(__name__)


class UnknownProbe(ValueError):
    """There is no probe of that name."""


def probes(only: Sequence[str] = ()) -> list[Probe]:
    """Return the probes of these names, or all; raises UnknownProbe."""
    every = [
        *refusal_probes(),
        *training_probes(),
        *tuning_probes(),
        *hosting_probes(),
        *processing_probes(),
    ]
    names = [probe.name for probe in every]
    for name in only:
        if name not in names:
            raise UnknownProbe(f"there is no probe {name!r}; there are {', '.join(names)}")
    return [probe for probe in every if not only or probe.name in only]


def observe(
    side: Side, chosen: Sequence[Probe], say: Callable[[str], None]
) -> dict[str, Observation]:
    """Run probes and return what they show, by fact; then remove everything that they made.

    Interrupted, it removes as well, and raises on.
    """
    found: dict[str, Observation] = {}
    side.begin("objects", f"{side.bucket}/{side.folder}")
    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe") as pool:
            try:
                for seen in pool.map(lambda probe: _one(side, probe, say), chosen):
                    found |= {each.fact: each for each in seen}
            except BaseException:
                side.cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        for problem in remove_all(side):
            say(f"NOT REMOVED on the {side.name} side: {side.plain(problem)}")
    return found


def _one(side: Side, probe: Probe, say: Callable[[str], None]) -> list[Observation]:
    began = side.now()
    seen: list[Observation] = []
    if side.cancelled.is_set():
        return seen
    try:
        for each in probe.observe(side):
            seen.append(each)  # noqa: PERF402 - what was seen before a fault counts
    except Exception as error:  # noqa: BLE001 - see the module's docstring
        _LOG.exception("probe %s on the %s side", probe.name, side.name)
        seen.append(_broken(side, probe, error))
    say(f"  {side.name}: {probe.name}, {len(seen)} facts, {side.now() - began:.0f} s")
    return [_made_comparable(side, each) for each in seen]


def _broken(side: Side, probe: Probe, error: Exception) -> Observation:
    return Observation(
        f"{probe.name}.broken",
        "Does the probe come to its end?",
        f"{type(error).__name__}: {side.plain(str(error))}"[:300],
        documented="it does",
    )


def _made_comparable(side: Side, seen: Observation) -> Observation:
    return replace(seen, value=comparable(seen.value, side.stands_for))
