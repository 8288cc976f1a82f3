"""The line that says what is about to be made, before the first fold job is."""

from __future__ import annotations

from collections.abc import Sequence

from cv_driver.siblings.fold_job.names import FoldTry, fold_job_name, stem
from cv_driver.siblings.fold_job.plan import FoldPlan, choose_max_run_s, output_path
from cv_driver.siblings.fold_job.request import make_fold_request


def announce_folds(plan: FoldPlan, indexes: Sequence[int], *, n_there: int, now: float) -> str:
    """Return the one line: what is made, on what, for how long, where it goes, and why."""
    parent, driver = plan.parent, plan.request.driver
    limit = choose_max_run_s(parent.left_s(now), driver.resources)
    request = make_fold_request(plan, FoldTry(indexes[0]), max_run_s=limit)
    resources = request["ResourceConfig"]
    first, last = (fold_job_name(parent.name, FoldTry(at)) for at in (indexes[0], indexes[-1]))
    why = "cv_launcher=sagemaker" if driver.launcher == "sagemaker" else "fold_instance_type is set"
    names = first if first == last else f"{first} … {last}"
    noun = "training job" if len(indexes) == 1 else "training jobs"
    capacity = "spot" if request["EnableManagedSpotTraining"] else "on demand"
    machine = f"{resources['InstanceCount']} × {resources['InstanceType']}"
    parts = [
        f"folds run as {len(indexes)} {noun} ({why}): {names}",
        f"each {machine}, {capacity}, at most {limit} s",
        f"output under {output_path(plan)}",
    ]
    if stem(parent.name) != parent.name:
        parts.append(f"names are cut to 63 characters, with a hash of {parent.name!r}")
    if driver.resources.keep_alive_s:
        parts.append(f"instances are kept {driver.resources.keep_alive_s} s for folds to come")
    if parent.n_instances > 1:
        parts.append(
            f"warning: the driver has {parent.n_instances} instances and uses 1; start it with 1"
        )
    if n_there:
        parts.append(f"{n_there} exist from an earlier start")
    if driver.region is not None and driver.region != parent.region:
        parts.append(f"hyperparameter 'region' is ignored: folds run in {parent.region}")
    return "; ".join(parts)
