"""``python -m local_test.verify_aws``: is the local control plane what SageMaker is?

Without ``--yes`` it prints what it would make and what that costs at most, and makes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from local_test.control_plane.plane_process import PlaneFailed
from local_test.verify_aws import costs, report
from local_test.verify_aws.facts import Fact, compare
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.removal import found_by_name, remove_all
from local_test.verify_aws.run import UnknownProbe, observe, probes
from local_test.verify_aws.side import Side
from local_test.verify_aws.sides import (
    Choices,
    NotReady,
    check_bucket,
    earlier,
    elsewhere,
    place,
    plane_side,
    real_side,
)

_REPOSITORY = Path(__file__).resolve().parents[2]
_DIFFERENT = 3
_LOOK_S = 0.5
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STAYS = (
    "what stays: the jobs' records, which are free, and their log streams in CloudWatch, some "
    "hundred kilobytes;\nrequests, transfers, storage and logs are not counted below, and are "
    "cents at most"
)


def main(argv: Sequence[str]) -> int:
    """Show the plan, or carry it out.

    0: both sides agree; 1: it cannot be done, or something is not removed; 3: they differ.
    """
    given = _parser().parse_args(argv)
    # What is paid for is removed also where a terminal goes away.
    for number in _ENDINGS:
        signal.signal(number, _interrupt)
    try:
        return _remove(given) if given.remove else _show_or_verify(given)
    except (
        UnknownProbe,
        costs.TooDear,
        costs.NoPrice,
        NotReady,
        PlaneFailed,
        BotoCoreError,
        ClientError,
        # A place that cannot be written, a full disk.
        OSError,
    ) as error:
        print(f"verify-aws: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("verify-aws: interrupted; what was made is removed, but for what is named above")
        return 130


def _show_or_verify(given: argparse.Namespace) -> int:
    chosen = probes(given.only)
    given.price = costs.hourly(given.instance_type, given.price)
    costs.check(_uses(chosen), given.price)
    print(_plan(chosen, given), flush=True)
    if given.yes or given.plane:
        return _verify(chosen, given)
    print("nothing was made; --yes carries it out on AWS, --plane tries it for nothing")
    return 0


def _uses(chosen: Sequence[Probe]) -> list[costs.Use]:
    return [use for probe in chosen for use in probe.uses]


def _plan(chosen: Sequence[Probe], given: argparse.Namespace) -> str:
    lines = ["what is made, and removed again"]
    lines += [f"  {probe.name:<12}  {probe.does}" for probe in chosen]
    uses = _uses(chosen)
    if uses:
        lines.append(_STAYS)
        lines.append(
            f"the most that instances cost on AWS, where an hour of {given.instance_type} costs "
            f"{given.price:.2f} dollars (look yours up and say --price)"
        )
        lines.append(costs.table(uses, given.price))
        lines.append("Ctrl-C removes everything too; after a kill -9 do it with --remove")
    return "\n".join([*lines, ""])


def _verify(chosen: Sequence[Probe], given: argparse.Namespace) -> int:
    report.make_room(given.out)
    began = time.time()
    stamp = time.strftime("%y%m%d%H%M%S", time.gmtime(began))
    choices, folder = _choices(given), given.folder / stamp
    real = None if given.plane else _account(stamp, choices, given.folder)
    folder.mkdir(parents=True)
    logging.basicConfig(filename=folder / "verify.log", level=logging.WARNING, force=True)
    with contextlib.ExitStack() as planes:

        def a_plane(name: str) -> Side:
            return plane_side(
                name, stamp, choices, folder / name, planes=planes, options=given.plane_option
            )

        plane = a_plane("plane")
        real = real or a_plane("real")
        try:
            facts = _compared(real, plane, chosen)
        finally:
            is_clean = _tell_what_is_left(real)
    about = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "real": "a local control plane" if given.plane else place(real),
        "dollars_at_most": 0.0 if given.plane else costs.total(_uses(chosen), given.price),
    }
    # Each also where the other fails: a disk may be full, and whoever reads the table may go.
    try:
        print(report.table(facts), flush=True)
    finally:
        report.write(given.out, facts, about)
    print(f"took {time.time() - began:.0f} s; all facts are in {given.out}")
    is_same = all(each.verdict == "agrees" and each.is_as_documented for each in facts)
    if not is_clean:
        return 1
    return 0 if is_same else _DIFFERENT


def _account(stamp: str, choices: Choices, folder: Path) -> Side:
    side = real_side(stamp, choices, folder)
    check_bucket(side)
    if earlier(side, folder):
        _say("an earlier run has left something, or one is under way; --remove ends both")
    return side


def _tell_what_is_left(side: Side) -> bool:
    """Say whether nothing is left, and what to do otherwise."""
    left = [f"{kind} {name}" for kind, name in side.made.newest_first()]
    if left:
        _say(f"NOT REMOVED: {', '.join(left)}; IT MAY BE PAID FOR until --remove has removed it")
    return not left


def _compared(real: Side, plane: Side, chosen: Sequence[Probe]) -> list[Fact]:
    with ThreadPoolExecutor(2, thread_name_prefix="side") as pool:
        try:
            with _uninterrupted():
                running = [pool.submit(observe, side, chosen, _say) for side in (real, plane)]
            # A signal just before a wait, or taken by another thread, does not end the wait.
            while wait(running, timeout=_LOOK_S).not_done:
                pass
            seen = [each.result() for each in running]
        except BaseException:
            for side in (real, plane):
                side.cancelled.set()
            _say("removing what was made; an endpoint that is being made takes minutes")
            raise
    return compare(*seen)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold signals back for the block: a pool forgets a thread that it is interrupted at starting.

    It would then not be waited for, and with it what it removes.
    """
    # Not by a mask, which is one thread's: the system gives the signal to another thread then.
    came: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    handlers = {each: signal.signal(each, keep) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


def _remove(given: argparse.Namespace) -> int:
    """Remove what earlier runs have left: what their notes say, and what has their names."""
    side = real_side("by-name", _choices(given), given.folder)
    problems = [each for note in earlier(side, given.folder) for each in remove_all(note)]
    problems += remove_all(side, found_by_name(side))
    _say("\n".join(problems) or f"nothing that was made is left in {side.region}")
    for where in elsewhere(side, given.folder):
        _say(f"not looked at: {where} (account and region); say its --profile and --region")
    return 1 if problems else 0


def _choices(given: argparse.Namespace) -> Choices:
    return Choices(
        instance_type=given.instance_type,
        profile=given.profile,
        region=given.region,
        bucket=given.bucket,
        role=given.role,
        image=given.image,
    )


def _say(text: str) -> None:
    # A terminal that is gone must not keep anything from being removed.
    # RuntimeError: a signal came while another line was being printed.
    with contextlib.suppress(OSError, RuntimeError):
        print(text, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Interrupt once; what comes next would only interrupt the removal."""
    for number in _ENDINGS:
        signal.signal(number, _go_on)
    raise KeyboardInterrupt


def _go_on(_number: int, _frame: FrameType | None) -> None:
    _say("still removing what was made, which would be paid for")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_test.verify_aws",
        description="Hold the local control plane against SageMaker, fact by fact.",
    )
    build = _REPOSITORY / "build" / "verify-aws"
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="make real jobs, and pay for them")
    how.add_argument("--plane", action="store_true", help="a second plane stands for SageMaker")
    how.add_argument(
        "--remove", action="store_true", help="remove what killed runs have left in the region"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="PROBE", help="default: all")
    parser.add_argument("--instance-type", default=costs.USUAL_TYPE, help="default: %(default)s")
    parser.add_argument(
        "--price", type=float, help=f"dollars an hour; {costs.USUAL_TYPE}: {costs.ASSUMED_PRICE}"
    )
    parser.add_argument("--profile", help="of the AWS configuration")
    parser.add_argument("--region", help="default: the profile's")
    parser.add_argument("--bucket", help="default: sagemaker-REGION-ACCOUNT")
    parser.add_argument("--role", help="an ARN; default: the account's SageMakerExecutionRole")
    parser.add_argument("--image", help="default: crossfold:latest in the account's ECR")
    parser.add_argument("--out", type=Path, default=build / "fidelity.json")
    parser.add_argument("--folder", type=Path, default=build, help="for notes and planes")
    parser.add_argument(
        "--plane-option", action="append", default=[], metavar="OPTION", help="of the planes"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
