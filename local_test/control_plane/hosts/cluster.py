"""The names of a job's hosts and how they form groups.

Sources: AWS docs, "How Amazon SageMaker Provides Training Information" (hosts sorted
lexicographically) and "Train using a heterogeneous cluster" (groups); the name of the only group of
other jobs is from real jobs.
"""

from __future__ import annotations

from dataclasses import dataclass

from local_test.control_plane.training.record import TrainingJob

_ONLY_GROUP = "homogeneousCluster"


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """Hosts of one kind; their order is the service's, which is not sorted."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]


def host_names(job: TrainingJob) -> tuple[str, ...]:
    """Return the names of all hosts, sorted as text: algo-10 comes before algo-2."""
    return tuple(sorted(name for group in instance_groups(job) for name in group.hosts))


def instance_groups(job: TrainingJob) -> tuple[InstanceGroup, ...]:
    """Return the groups in the request's order; a job that names none has one."""
    resources = job.request.get("ResourceConfig") or {}
    groups = resources.get("InstanceGroups") or ()
    if not groups:
        names = _numbered(int(resources.get("InstanceCount", 1)))
        return (InstanceGroup(_ONLY_GROUP, resources.get("InstanceType", ""), names),)
    names = _numbered(sum(int(each["InstanceCount"]) for each in groups))
    # In the documented example the first group has algo-2 and the second algo-3 and algo-1.
    names = names[1:] + names[:1]
    made = []
    for each in groups:
        n_hosts = int(each["InstanceCount"])
        made.append(InstanceGroup(each["InstanceGroupName"], each["InstanceType"], names[:n_hosts]))
        names = names[n_hosts:]
    return tuple(made)


def _numbered(n_hosts: int) -> tuple[str, ...]:
    return tuple(f"algo-{number}" for number in range(1, n_hosts + 1))
