from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from local_test.control_plane.faults import Fault
from local_test.control_plane.hosting.fleet import pick_variant
from local_test.control_plane.hosting.ports import ServerLaunch
from local_test.control_plane.storage.journal import FileJournal
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.wire.errors import InternalFailure, ValidationError
from tests.control_plane.hosting_world import DATA, IMAGE, ROLE, HostingPlane, Life, variant
from tests.control_plane.lossy_journal import LossyJournal

_ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
_NEVER = Life(fails_s=3.0, ready_s=9.0, reason="it did not pass")


def test_an_endpoint_is_creating_until_every_instance_answers_and_then_in_service() -> None:
    plane = HostingPlane(Life(ready_s=2.0))
    plane.model()
    plane.config("c", variant("a"), variant("b", InitialInstanceCount=2))
    plane.endpoint()
    seen = []

    for _ in range(3):
        seen.append((plane.status(), len(plane.servers.running())))
        plane.run(1)

    assert seen == [("Creating", 0), ("Creating", 3), ("InService", 3)]
    assert [
        (each["VariantName"], each["CurrentInstanceCount"])
        for each in plane.described()["ProductionVariants"]
    ] == [("a", 1), ("b", 2)]


def test_an_endpoint_needs_its_configuration_and_models_no_more_once_it_is_created() -> None:
    plane = HostingPlane()
    plane.model()
    plane.config("c")
    plane.endpoint()

    plane.call("DeleteEndpointConfig", EndpointConfigName="c")
    plane.call("DeleteModel", ModelName="m")
    plane.run(4)

    assert plane.status() == "InService"


def test_an_endpoint_whose_model_is_gone_is_refused() -> None:
    plane = HostingPlane()
    plane.deploy()
    plane.call("DeleteModel", ModelName="m")

    with pytest.raises(ValidationError) as refused:
        plane.endpoint("late")

    assert refused.value.message == f'Could not find model "{_ARN}model/m".'
    assert [each["EndpointName"] for each in plane.call("ListEndpoints")["Endpoints"]] == ["e"]


def test_an_endpoint_goes_on_after_a_restart_with_what_was_deleted_or_replaced_since() -> None:
    first = HostingPlane()
    first.model("m2", Image="image:2")
    first.config("c2", variant("b", "m2"))
    first.deploy(variant("a"))
    first.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    first.run(4)
    first.endpoint("other")
    first.run(4)
    first.call("DeleteEndpointConfig", EndpointConfigName="c2")
    for name in ("m", "m2"):
        first.call("DeleteModel", ModelName=name)
    first.model("m", Image="image:3")

    second = HostingPlane(journal=first.journal)
    second.run(4)

    assert second.described()["EndpointConfigName"] == "c2"
    assert [second.status(name) for name in ("e", "other")] == ["InService", "InService"]
    images = {each.launch.name[0]: each.launch.image for each in second.servers.started}
    assert images == {"e": "image:2", "o": IMAGE}


def test_a_server_gets_its_model_s_image_data_and_variables() -> None:
    plane = HostingPlane()
    plane.model(Environment={"A": "1"})
    plane.config("c", variant("blue", ContainerStartupHealthCheckTimeoutInSeconds=90))
    plane.endpoint()
    plane.run(1)

    (server,) = plane.servers.started
    launch = server.launch
    assert (launch.image, launch.model_data_url, launch.environment) == (IMAGE, DATA, {"A": "1"})
    assert (launch.ping_within_s, launch.ping_every_s) == (90.0, 10.0)
    assert launch.title == "The primary container for production variant blue"
    assert not launch.is_multi_model


@pytest.mark.parametrize("isolates", ["model", "config"])
def test_a_server_is_isolated_by_its_model_or_by_the_configuration(isolates: str) -> None:
    plane = HostingPlane()
    container = {"Image": IMAGE, "ModelDataUrl": DATA}
    model = {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
    plane.call("CreateModel", **model, EnableNetworkIsolation=isolates == "model")
    plane.call(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[variant()],
        EnableNetworkIsolation=isolates == "config",
    )
    plane.endpoint()
    plane.run(1)

    assert [each.launch.is_isolated for each in plane.servers.started] == [True]


def test_an_endpoint_whose_container_fails_has_failed_with_its_reason_and_nothing_runs() -> None:
    plane = HostingPlane(lambda launch: _NEVER if "-bad-" in launch.name else Life())
    plane.model()
    plane.config("c", variant("good"), variant("bad"))
    plane.endpoint()

    plane.run(6)

    assert plane.described()["EndpointStatus"] == "Failed"
    assert plane.described()["FailureReason"] == "it did not pass"
    assert len(plane.servers.started) == 2
    assert plane.servers.running() == []


def test_a_failed_endpoint_can_only_be_deleted() -> None:
    plane = HostingPlane(_NEVER)
    plane.model()
    plane.config("c")
    plane.endpoint()
    plane.run(6)

    with pytest.raises(ValidationError, match="Cannot update failed endpoint"):
        plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")
    plane.call("DeleteEndpoint", EndpointName="e")
    plane.run(1)

    with pytest.raises(ValidationError, match="Could not find endpoint"):
        plane.described()


def test_a_deleted_endpoint_is_deleting_until_nothing_of_it_runs() -> None:
    plane = HostingPlane(Life(ends_s=3.0))
    plane.deploy()

    plane.call("DeleteEndpoint", EndpointName="e")
    plane.run(2)
    while_ending = plane.status(), len(plane.servers.running())
    plane.run(2)

    assert while_ending == ("Deleting", 1)
    assert plane.servers.running() == []
    assert plane.call("ListEndpoints")["Endpoints"] == []
    assert plane.journal.load("endpoint") == []
    with pytest.raises(ValidationError) as refused:
        plane.described()
    assert refused.value.message == f'Could not find endpoint "{_ARN}endpoint/e".'
    plane.endpoint()
    assert plane.status() == "Creating"


def test_an_endpoint_in_progress_is_neither_updated_nor_deleted() -> None:
    plane = HostingPlane()
    plane.model()
    plane.config("c")
    plane.endpoint()

    with pytest.raises(ValidationError, match="Cannot update in-progress endpoint"):
        plane.call("DeleteEndpoint", EndpointName="e")
    with pytest.raises(ValidationError, match="Cannot update in-progress endpoint"):
        plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")


def test_names_are_unique_and_what_is_named_must_be_there() -> None:
    plane = HostingPlane()
    plane.deploy()

    refusals: dict[Callable[[], object], str] = {
        plane.model: f'Cannot create already existing model "{_ARN}model/m".',
        lambda: plane.config("c"): (
            f'Cannot create already existing endpoint configuration "{_ARN}endpoint-config/c".'
        ),
        plane.endpoint: f'Cannot create already existing endpoint "{_ARN}endpoint/e".',
        lambda: plane.config("d", variant(model="No")): f'Could not find model "{_ARN}model/no".',
        lambda: plane.endpoint("x", "no"): (
            f'Could not find endpoint configuration "{_ARN}endpoint-config/no".'
        ),
        lambda: plane.model("x", ModelDataUrl="s3://models/gone/model.tar.gz"): (
            "Could not find model data at s3://models/gone/model.tar.gz."
        ),
    }
    for refused, words in refusals.items():
        with pytest.raises(ValidationError) as error:
            refused()
        assert error.value.message == words


def test_the_name_of_an_endpoint_is_taken_in_whatever_case_and_found_in_its_own() -> None:
    plane = HostingPlane()
    plane.deploy(name="Churn-A")

    with pytest.raises(ValidationError) as taken:
        plane.endpoint("churn-a")
    with pytest.raises(ValidationError, match="Could not find endpoint"):
        plane.described("churn-a")

    assert taken.value.message == (
        f'Cannot create already existing endpoint "{_ARN}endpoint/churn-a".'
    )
    assert plane.status("Churn-A") == "InService"


def test_while_an_endpoint_is_updated_the_old_instances_serve_until_the_new_ones_do() -> None:
    plane = HostingPlane(lambda launch: Life(ready_s=5.0 if launch.image == "new" else 1.0))
    plane.deploy()
    plane.model("m2", Image="new")
    plane.config("c2", variant("green", "m2"))
    old = plane.pick()

    plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    plane.run(3)
    while_updating = plane.described()
    served_by = plane.pick()
    plane.run(4)

    assert while_updating["EndpointStatus"] == "Updating"
    assert while_updating["EndpointConfigName"] == "c"
    assert while_updating["PendingDeploymentSummary"]["EndpointConfigName"] == "c2"
    assert served_by is old
    updated = plane.described()
    assert (updated["EndpointStatus"], updated["EndpointConfigName"]) == ("InService", "c2")
    assert [each["VariantName"] for each in updated["ProductionVariants"]] == ["green"]
    assert [each.launch.image for each in plane.servers.running()] == ["new"]


def test_an_update_that_fails_leaves_the_endpoint_in_service_as_it_was() -> None:
    plane = HostingPlane(lambda launch: _NEVER if launch.image == "new" else Life())
    plane.deploy()
    plane.model("m2", Image="new")
    plane.config("c2", variant("green", "m2"))

    plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    plane.run(6)

    described = plane.described()
    assert described["EndpointStatus"] == "InService"
    assert (described["EndpointConfigName"], described["FailureReason"]) == ("c", "it did not pass")
    assert [each.launch.image for each in plane.servers.running()] == [IMAGE]


def test_an_instance_ends_after_the_request_that_it_answers() -> None:
    plane = HostingPlane(Life(ends_s=0.0))
    plane.deploy()
    busy = plane.picked()
    busy.busy += 1
    plane.config("c2", variant("green"))

    plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    plane.run(10)
    while_busy = len(plane.servers.running())
    busy.busy -= 1
    plane.run(1)

    assert plane.described()["EndpointConfigName"] == "c2"
    assert while_busy == 2
    assert len(plane.servers.running()) == 1


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "the plane ends"])
def test_what_ends_at_once_waits_for_no_request_of_an_earlier_configuration(
    is_deleted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    plane = HostingPlane(Life(ready_s=1.0, ends_s=1.0))
    plane.deploy()
    plane.picked().busy += 1
    plane.config("c2", variant("green"))
    plane.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    plane.run(3)
    while_busy = len(plane.servers.running())

    if is_deleted:
        plane.call("DeleteEndpoint", EndpointName="e")
        plane.run(2)
    else:
        plane.plane.close()
        plane.clock.advance(2.0)
        assert plane.plane.close()

    assert while_busy == 2
    assert plane.servers.running() == []


def test_weights_hold_at_once_and_counts_as_soon_as_the_instances_answer() -> None:
    plane = HostingPlane(Life(ready_s=2.0))
    plane.deploy(variant("a"), variant("b"))

    plane.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[
            {"VariantName": "a", "DesiredWeight": 0.0},
            {"VariantName": "b", "DesiredInstanceCount": 3},
        ],
    )
    picked = {plane.picked().variant for _ in range(20)}
    plane.run(1)
    while_starting = plane.status()
    plane.run(3)

    assert picked == {"b"}
    assert while_starting == "Updating"
    assert plane.status() == "InService"
    assert [
        (each["CurrentWeight"], each["CurrentInstanceCount"])
        for each in plane.described()["ProductionVariants"]
    ] == [(0.0, 1), (1.0, 3)]
    plane.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "b", "DesiredInstanceCount": 1}],
    )
    plane.run(3)
    assert len(plane.servers.running()) == 2


def test_an_update_may_keep_the_weights_and_counts_of_variants_of_the_same_name() -> None:
    plane = HostingPlane()
    plane.deploy(variant("a"), variant("b"))
    change = {"VariantName": "a", "DesiredWeight": 7.0, "DesiredInstanceCount": 2}
    plane.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[change],
    )
    plane.run(4)
    plane.config("c2", variant("a", InitialVariantWeight=3.0))

    plane.call(
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="c2",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    plane.run(4)

    restarted = HostingPlane(journal=plane.journal)
    restarted.run(4)
    for each in (plane, restarted):
        (only,) = each.described()["ProductionVariants"]
        assert (only["CurrentWeight"], only["CurrentInstanceCount"]) == (3.0, 2)


def test_requests_go_to_the_instances_of_a_variant_in_turn() -> None:
    plane = HostingPlane()
    plane.deploy(variant(InitialInstanceCount=3))

    picked = [plane.picked().id for _ in range(9)]

    assert len(set(picked[:3])) == 3
    assert picked == picked[:3] * 3


def test_variants_get_requests_by_their_weights() -> None:
    plane = HostingPlane()
    plane.deploy(
        variant("a", InitialVariantWeight=3.0),
        variant("b", InitialVariantWeight=1.0),
        variant("none", InitialVariantWeight=0.0),
    )

    names = [plane.picked().variant for _ in range(2000)]

    shares = Counter(names)
    # Three standard deviations of a binomial with 2000 draws are 0.03.
    assert shares["a"] / 2000 == pytest.approx(0.75, abs=0.03)
    assert shares["none"] == 0
    assert plane.picked("none").variant == "none"


@pytest.mark.parametrize(
    ("draw", "name"), [(0.0, "a"), (0.19, "a"), (0.21, "c"), (0.99, "c")], ids=str
)
def test_a_draw_falls_into_the_share_of_one_variant(draw: float, name: str) -> None:
    assert pick_variant({"a": 1.0, "b": 0.0, "c": 4.0}, draw) == name


def test_an_instance_that_dies_is_replaced_and_the_endpoint_stays_in_service() -> None:
    lives = iter([Life(ready_s=1.0, fails_s=6.0), Life(ready_s=1.0), Life(ready_s=1.0)])
    plane = HostingPlane(lambda _launch: next(lives))
    plane.deploy()

    plane.run(2)
    while_dead = plane.pick()
    plane.run(6)

    assert while_dead is None
    assert plane.pick() is not None
    assert plane.status() == "InService"
    assert (len(plane.servers.started), len(plane.servers.running())) == (2, 1)


def test_instances_that_die_again_and_again_are_replaced_ever_more_slowly() -> None:
    born: list[float] = []

    def plan(_launch: ServerLaunch) -> Life:
        born.append(plane.clock.now())
        return Life(ready_s=1.0, fails_s=20.0) if len(born) == 1 else Life(9.0, fails_s=0.5)

    plane = HostingPlane(plan)
    plane.deploy()
    plane.run(300)

    pauses = [after - before for before, after in pairwise(born[1:])]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 3.0
    assert pauses[-1] >= 60.0


def test_an_instance_that_dies_again_and_again_is_so_replaced_also_beside_a_healthy_one() -> None:
    born: list[float] = []

    def plan(_launch: ServerLaunch) -> Life:
        born.append(plane.clock.now())
        if len(born) == 1:
            return Life(ready_s=1.0)
        return Life(ready_s=1.0, fails_s=20.0) if len(born) == 2 else Life(9.0, fails_s=0.5)

    plane = HostingPlane(plan)
    plane.deploy(variant(InitialInstanceCount=2))
    plane.run(300)

    pauses = [after - before for before, after in pairwise(born[2:])]
    assert plane.pick() is not None
    assert pauses == sorted(pauses)
    assert pauses[0] <= 3.0
    assert pauses[-1] >= 60.0


def test_every_line_is_in_the_stream_of_its_instance_also_the_last_ones() -> None:
    lines = tuple((float(n), f"line {n} of a log") for n in range(6))
    plane = HostingPlane(Life(lines=(*lines, (5.0, "bye")), tail="unfinished"))
    plane.deploy()
    plane.run(2)

    plane.call("DeleteEndpoint", EndpointName="e")
    plane.run(30)

    ((group, stream),) = plane.logs.lines
    assert group == "/aws/sagemaker/Endpoints/e"
    assert re.fullmatch(r"AllTraffic/i-[0-9a-f]{17}", stream)
    assert plane.logs.lines[group, stream] == [
        *(text for _, text in lines),
        "bye",
        "unfinished",
    ]


def test_a_deleted_endpoint_does_not_wait_long_for_a_long_log() -> None:
    long = tuple((0.0, f"{number:03} of 400 lines") for number in range(400))
    plane = HostingPlane(Life(lines=long, ends_s=0.0))
    plane.deploy()
    begun = len(next(iter(plane.logs.lines.values())))

    plane.call("DeleteEndpoint", EndpointName="e")
    plane.run(0.1 * 160, step=0.1)

    # The log has 1,280 pieces; in service one is handed on at each tick.
    assert begun < 50
    assert plane.call("ListEndpoints")["Endpoints"] == []
    assert list(plane.logs.lines.values()) == [[text for _, text in long]]


def test_a_plane_that_ends_waits_for_servers_and_not_for_their_logs() -> None:
    long = tuple((0.0, f"{number:03} of 400 lines") for number in range(400))
    plane = HostingPlane(Life(lines=long, ends_s=3.0))
    plane.deploy()

    calls = 0
    while not plane.plane.close():
        calls += 1
        plane.clock.advance(1.0)

    assert calls == 3
    assert plane.servers.running() == []


def test_a_full_disk_ends_no_endpoint_and_what_was_missed_is_written_later() -> None:
    disk = LossyJournal()
    plane = HostingPlane(journal=disk)
    plane.deploy()
    plane.endpoint("f")
    disk.is_full = True

    plane.call("DeleteEndpoint", EndpointName="e")
    plane.run(4)
    while_full = plane.status("f")
    disk.is_full = False
    plane.run(0.5)

    assert while_full == "InService"
    (kept,) = disk.load("endpoint")
    assert (kept["name"], kept["status"]) == ("f", "InService")


def test_a_record_that_cannot_be_removed_holds_up_no_endpoint_and_goes_later() -> None:
    disk = LossyJournal()
    plane = HostingPlane(journal=disk)
    plane.deploy()
    plane.endpoint("f")

    plane.call("DeleteEndpoint", EndpointName="e")
    disk.keeps_all = True
    plane.run(4)
    meanwhile = plane.status("e"), plane.status("f")
    disk.keeps_all = False
    plane.run(0.5)

    assert meanwhile == ("Deleting", "InService")
    assert [each["name"] for each in disk.load("endpoint")] == ["f"]
    assert [each["EndpointName"] for each in plane.call("ListEndpoints")["Endpoints"]] == ["f"]


def test_a_plane_on_the_same_journal_serves_again_what_the_earlier_one_has_served() -> None:
    first = HostingPlane()
    first.deploy(variant("a"), variant("b"))
    change = {"VariantName": "a", "DesiredWeight": 7.0, "DesiredInstanceCount": 2}
    first.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[change],
    )
    first.endpoint("leaving")
    first.run(5)
    first.call("DeleteEndpoint", EndpointName="leaving")

    second = HostingPlane(journal=first.journal)
    at_first = second.status()
    second.run(4)

    assert at_first == "Creating"
    assert second.status() == "InService"
    told = second.described()["ProductionVariants"][0]
    assert (told["CurrentWeight"], told["CurrentInstanceCount"]) == (7.0, 2)
    assert [each["EndpointName"] for each in second.call("ListEndpoints")["Endpoints"]] == ["e"]
    assert second.call("DescribeModel", ModelName="m")["PrimaryContainer"]["Image"] == IMAGE


def test_what_is_deleted_stays_deleted_after_a_restart() -> None:
    first = HostingPlane()
    first.deploy()
    first.call("DeleteEndpoint", EndpointName="e")
    first.run(3)
    first.call("DeleteEndpointConfig", EndpointConfigName="c")
    first.call("DeleteModel", ModelName="m")

    second = HostingPlane(journal=first.journal)

    assert second.call("ListModels")["Models"] == []
    assert second.call("ListEndpointConfigs")["EndpointConfigs"] == []
    assert second.call("ListEndpoints")["Endpoints"] == []


def test_a_record_that_was_removed_is_not_loaded_again(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    for name in ("a/b", "c"):
        journal.save("model", name, {"name": name})

    for _ in range(2):
        journal.remove("model", "a/b")

    assert journal.load("model") == [{"name": "c"}]


def test_a_plane_that_ends_ends_every_server_and_creates_none() -> None:
    plane = HostingPlane(Life(ends_s=3.0))
    plane.deploy(variant(InitialInstanceCount=2))

    calls = 0
    while not plane.plane.close():
        calls += 1
        plane.clock.advance(0.5)

    assert calls == 6
    assert plane.servers.running() == []
    with pytest.raises(InternalFailure, match="is ending"):
        plane.endpoint("late")


def test_a_model_without_capacity_fails_in_the_service_s_words() -> None:
    plane = HostingPlane()
    plane.plane.faults.add(Fault("capacity", name="e*"))
    plane.model()
    plane.config("c")
    plane.endpoint()

    plane.run(1)

    assert plane.status() == "Failed"
    assert plane.described()["FailureReason"].startswith(
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity"
    )
    assert plane.servers.started == []


def test_an_endpoint_whose_instances_are_there_has_its_capacity() -> None:
    plane = HostingPlane()
    plane.model()
    plane.config("c")
    plane.endpoint()
    plane.run(1)

    plane.plane.faults.add(Fault("capacity", name="*"))
    plane.run(4)
    plane.endpoint("next")
    plane.run(1)

    assert (plane.status(), plane.status("next")) == ("InService", "Failed")


def test_instances_take_as_long_as_the_plane_was_told() -> None:
    plane = HostingPlane(Life(ready_s=1.0), timings=Timings(starting_s=60.0))
    plane.model()
    plane.config("c")
    plane.endpoint()

    plane.run(59)
    before = len(plane.servers.started)
    plane.run(3)

    assert before == 0
    assert plane.status() == "InService"


def test_tags_of_models_configurations_and_endpoints_are_told_and_go_with_them() -> None:
    plane = HostingPlane()
    plane.deploy()
    arn = plane.call("DescribeModel", ModelName="m")["ModelArn"]

    plane.call("AddTags", ResourceArn=arn, Tags=[{"Key": "team", "Value": "Zoë"}])
    tags = plane.call("ListTags", ResourceArn=arn)["Tags"]
    plane.call("ListTags", ResourceArn=f"{_ARN}endpoint-config/c")
    plane.call("ListTags", ResourceArn=f"{_ARN}endpoint/e")
    plane.call("DeleteModel", ModelName="m")

    assert tags == [{"Key": "team", "Value": "Zoë"}]
    with pytest.raises(ValidationError, match="Could not find resource"):
        plane.call("ListTags", ResourceArn=arn)
    plane.model()
    assert plane.call("ListTags", ResourceArn=arn)["Tags"] == []


def test_lists_are_sorted_filtered_and_cut_into_pages() -> None:
    plane = HostingPlane()
    for name in ("m", "x-b", "x-a"):
        plane.model(name)
        plane.clock.advance(1)

    newest_first = plane.call("ListModels")["Models"]
    by_name = plane.call("ListModels", SortBy="Name", SortOrder="Ascending", NameContains="x-")
    page = plane.call("ListModels", MaxResults=2)
    rest = plane.call("ListModels", MaxResults=2, NextToken=page["NextToken"])

    assert [each["ModelName"] for each in newest_first] == ["x-a", "x-b", "m"]
    assert [each["ModelName"] for each in by_name["Models"]] == ["x-a", "x-b"]
    assert [each["ModelName"] for each in rest["Models"]] == ["m"]


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("Model", HostingPlane.model),
        ("EndpointConfig", HostingPlane.config),
        ("Endpoint", HostingPlane.endpoint),
    ],
)
def test_lists_of_hosting_begin_at_the_time_that_is_named_and_end_before_it(
    kind: str, make: Callable[[HostingPlane, str], None]
) -> None:
    """As 'greater than or equal' and 'before' say, also of a time as a client has heard it."""
    plane = HostingPlane()
    plane.model()
    plane.config("c")
    plane.clock.advance(60)
    for name in ("one", "two", "three"):
        plane.clock.advance(0.3000004)
        make(plane, name)

    def names(**times: float) -> list[str]:
        listed = plane.call(f"List{kind}s", SortOrder="Ascending", **times)[f"{kind}s"]
        return [each[f"{kind}Name"] for each in listed]

    at = plane.call(f"Describe{kind}", **{f"{kind}Name": "two"})["CreationTime"]
    heard = datetime.fromtimestamp(at, UTC).timestamp()
    assert heard > at
    assert names(CreationTimeAfter=heard) == ["two", "three"]
    assert names(CreationTimeBefore=heard)[-1] == "one"
    assert names(CreationTimeAfter=heard, CreationTimeBefore=heard) == []


def test_an_endpoint_is_modified_neither_before_nor_after_the_time_that_is_named() -> None:
    plane = HostingPlane()
    plane.clock.advance(0.3000004)
    plane.deploy()
    heard = datetime.fromtimestamp(plane.described()["LastModifiedTime"], UTC).timestamp()

    assert plane.call("ListEndpoints", LastModifiedTimeAfter=heard)["Endpoints"] == []
    assert plane.call("ListEndpoints", LastModifiedTimeBefore=heard)["Endpoints"] == []
    assert plane.call("ListEndpoints", LastModifiedTimeBefore=heard + 1)["Endpoints"] != []


def test_a_failed_update_keeps_the_weights_and_counts_also_over_a_restart() -> None:
    first = HostingPlane(lambda launch: _NEVER if launch.image == "new" else Life())
    first.deploy(variant("a"), variant("b"))
    change = {"VariantName": "a", "DesiredWeight": 7.0, "DesiredInstanceCount": 2}
    first.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[change],
    )
    first.run(4)
    first.model("m2", Image="new")
    first.config("c2", variant("a", "m2"))
    first.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    first.run(6)

    second = HostingPlane(journal=first.journal)
    second.run(4)

    told = second.described()["ProductionVariants"][0]
    assert (told["CurrentWeight"], told["CurrentInstanceCount"]) == (7.0, 2)


def test_a_defect_of_the_plane_fails_one_endpoint_and_leaves_the_others() -> None:
    def plan(launch: ServerLaunch) -> Life:
        if launch.name.startswith("bad"):
            raise KeyError("x")
        return Life()

    plane = HostingPlane(plan)
    plane.deploy(name="good")
    plane.endpoint("bad")

    plane.run(2)

    assert plane.described("bad")["FailureReason"] == "InternalServerError: KeyError: 'x'"
    assert plane.status("good") == "InService"
