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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from local_test.control_plane.plane_process import PlaneFailed
from local_test.verify_aws import costs, report
from local_test.verify_aws.facts import Fact, compare
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.removal import remove_all
from local_test.verify_aws.run import UnknownProbe, observe, probes
from local_test.verify_aws.side import Side
from local_test.verify_aws.sides import Choices, NoRegion, plane_side, real_side

_REPOSITORY = Path(__file__).resolve().parents[2]
_DIFFERENT = 3


def main(argv: Sequence[str]) -> int:
    """Show the plan, or carry it out; 0 where both sides agree, 3 where they differ."""
    given = _parser().parse_args(argv)
    # What is paid for is removed also where a terminal goes away.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _remove(given) if given.remove else _show_or_verify(given)
    except (
        UnknownProbe,
        costs.TooDear,
        NoRegion,
        PlaneFailed,
        BotoCoreError,
        ClientError,
    ) as error:
        print(f"verify-aws: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("verify-aws: interrupted; what was made is stopped or deleted", file=sys.stderr)
        return 130


def _show_or_verify(given: argparse.Namespace) -> int:
    chosen = probes(given.only)
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
    lines += [f"  {probe.name:<10}  {probe.does}" for probe in chosen]
    uses = _uses(chosen)
    if uses:
        hour = f"{given.price:.2f} dollars (assumed; look yours up and say --price)"
        lines.append(
            f"the most that it costs on AWS, where {given.instance_type} costs {hour} an hour"
        )
        lines.append(costs.table(uses, given.price))
    return "\n".join([*lines, ""])


def _verify(chosen: Sequence[Probe], given: argparse.Namespace) -> int:
    began = time.time()
    stamp = time.strftime("%y%m%d%H%M%S", time.gmtime(began))
    choices, folder = _choices(given), given.folder / stamp
    folder.mkdir(parents=True)
    logging.basicConfig(filename=folder / "verify.log", level=logging.WARNING, force=True)
    with contextlib.ExitStack() as planes:

        def a_plane(name: str) -> Side:
            return plane_side(
                name, stamp, choices, folder / name, planes=planes, options=given.plane_option
            )

        plane = a_plane("plane")
        real = a_plane("real") if given.plane else real_side(stamp, choices, given.folder)
        facts = _compared(real, plane, chosen)
    about = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "real": "a local control plane" if given.plane else f"SageMaker in {real.region}",
        "dollars_at_most": 0.0 if given.plane else costs.total(_uses(chosen), given.price),
    }
    report.write(given.out, facts, about)
    print(report.table(facts))
    print(f"took {time.time() - began:.0f} s; all facts are in {given.out}")
    is_same = all(each.verdict == "agrees" and each.is_as_documented for each in facts)
    return 0 if is_same else _DIFFERENT


def _compared(real: Side, plane: Side, chosen: Sequence[Probe]) -> list[Fact]:
    with ThreadPoolExecutor(2, thread_name_prefix="side") as pool:
        running = [pool.submit(observe, side, chosen, _say) for side in (real, plane)]
        try:
            seen = [each.result() for each in running]
        except BaseException:
            for side in (real, plane):
                side.cancelled.set()
            raise
    return compare(*seen)


def _remove(given: argparse.Namespace) -> int:
    """Remove what an earlier run on AWS has left; its note says what that is."""
    side = real_side("of-an-earlier-run", _choices(given), given.folder)
    problems = remove_all(side)
    print("\n".join(problems) or "nothing that was made is left")
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
    print(text, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_test.verify_aws",
        description="Hold the local control plane against SageMaker, fact by fact.",
    )
    build = _REPOSITORY / "build" / "verify-aws"
    parser.add_argument("--yes", action="store_true", help="make real jobs, and pay for them")
    parser.add_argument("--plane", action="store_true", help="a second plane stands for SageMaker")
    parser.add_argument("--remove", action="store_true", help="remove what a killed run has left")
    parser.add_argument("--only", nargs="+", default=[], metavar="PROBE", help="default: all")
    parser.add_argument("--instance-type", default="ml.m5.large", help="default: %(default)s")
    parser.add_argument(
        "--price", type=float, default=costs.ASSUMED_PRICE, help="dollars an hour (%(default)s)"
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
