"""Freed memory is used again, and large tensors cost no fresh pages at every step."""

import platform
import subprocess
import sys

import pytest

CHURN = """
import resource, sys
import torch
from pipeline.memory import keep_freed
if sys.argv[1] == "kept":
    assert keep_freed()
def step():
    return float((torch.ones(12_000_000) + 1).sum())
step()
before = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(20):
    step()
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_minflt - before.ru_minflt, after.ru_maxrss - before.ru_maxrss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_used_again() -> None:
    """Two tensors of 48 MB a step, twenty times: a gigabyte and a half of fresh pages, or none."""
    faults, growth = {}, {}
    for mode in ("usual", "kept"):
        done = subprocess.run([sys.executable, "-c", CHURN, mode], capture_output=True, text=True, check=True)
        faults[mode], growth[mode] = (int(word) for word in done.stdout.split())
    assert faults["kept"] < faults["usual"] / 10
    assert growth["kept"] < 200_000  # KiB
