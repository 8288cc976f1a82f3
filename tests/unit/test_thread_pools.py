"""Limits of the libraries' threads, set by fits that overlap."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
import numpy
import scipy.linalg
from threadpoolctl import threadpool_info
from crossfold.algorithms import thread_pools
from crossfold.algorithms.thread_pools import hold_threads

thread_pools.processors = lambda: 4

def blas():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}

first, second = threading.Event(), threading.Event()

def earlier():
    hold_threads(1)
    first.set()
    second.wait()

def later():
    first.wait()
    hold_threads(1)
    second.set()

threads = [threading.Thread(target=earlier), threading.Thread(target=later)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert blas() == {1}, blas()
hold_threads(2)
assert blas() == {2}, blas()
hold_threads(4)
assert blas() == {4}, blas()
"""


def test_overlapping_fits_leave_no_limit_in_force_for_those_that_follow() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, timeout=60)

    assert done.returncode == 0
