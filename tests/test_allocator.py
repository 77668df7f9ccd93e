"""Freed memory is reused: large tensors need no new pages at every step."""

import platform
import subprocess
import sys

import pytest

CHURN = """
import resource, sys
import torch
from pipeline.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def step():
    return float((torch.ones(12_000_000) + 1).sum())
for _ in range(12):
    step()
before = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(10):
    step()
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_minflt - before.ru_minflt, after.ru_maxrss - before.ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_reused() -> None:
    """Ten steps with two tensors of 48 MB each need one gigabyte of new pages, or none.

    The first twelve steps are not counted: small blocks fragment the heap for up to nine steps (measured in 60 runs).
    """
    faults, growth = {}, {}
    for mode in ("usual", "kept"):
        done = subprocess.run([sys.executable, "-c", CHURN, mode], capture_output=True, text=True, check=True)
        faults[mode], growth[mode] = (int(word) for word in done.stdout.split())
    assert faults["kept"] < faults["usual"] / 10
    assert growth["kept"] < 48_000  # KiB: less than one of the tensors
