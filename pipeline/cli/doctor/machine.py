"""Checks of the machine: Python, packages, GPU and telemetry."""

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.cli.doctor.finding import Finding
from pipeline.stages.paths import Paths
from pipeline.telemetry import OFF

LISTED_NAMES = 8
INSTALL = "uv pip install -r requirements.lock"

MEANS_OFF = {"true": {"1", "true", "yes"}, "1": {"1", "true", "yes"}, "false": {"0", "false", "no"}}
"""Values with the same meaning, by the value that ganline sets."""


def check_python(_root: Path) -> Iterator[Finding]:
    """Check that Python runs in a virtual environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.prefix == sys.base_prefix:
        remedy = "use `make setup` and .venv/bin/ganline"
        yield Finding("warn", "python", f"{version}, outside a virtual environment", remedy)
    else:
        yield Finding("ok", "python", f"{version} in {sys.prefix}")


def check_packages(root: Path) -> Iterator[Finding]:
    """Compare the installed versions with requirements.lock."""
    from packaging.requirements import InvalidRequirement, Requirement

    lock = Paths(root).lock
    try:
        lines = [line.strip() for line in lock.read_text(encoding="utf-8").splitlines()]
        requirements = [Requirement(line) for line in lines if line and not line.startswith(("#", "--"))]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        remedy = "restore it from the project's repository"
        yield Finding("warn", "packages", f"{lock}: cannot be read ({error})", remedy)
        return
    missing, different, count = [], [], 0
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        count += 1
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(requirement.name)
        else:
            if not requirement.specifier.contains(version, prereleases=True):
                different.append(f"{requirement.name} {version} (lock: {requirement.specifier})")
    if missing:
        yield Finding("fail", "packages", f"missing: {join_names(missing)}", INSTALL)
    if different:
        yield Finding("warn", "packages", f"not the tested version: {join_names(different)}", INSTALL)
    if not (missing or different):
        yield Finding("ok", "packages", f"all {count} have the versions of {lock.name}")


def join_names(names: list[str]) -> str:
    """Return the first names and the number of the others."""
    more = len(names) - LISTED_NAMES
    return ", ".join(names[:LISTED_NAMES]) + (f" and {more} more" if more > 0 else "")


def check_onnxruntime_packages(_root: Path) -> Iterator[Finding]:
    """Check that only one of the packages that share the module `onnxruntime` is installed."""
    installed = {(distribution.metadata["Name"] or "").lower() for distribution in importlib.metadata.distributions()}
    if {"onnxruntime", "onnxruntime-gpu"} <= installed:
        remedy = f"pip uninstall -y onnxruntime onnxruntime-gpu, then {INSTALL}"
        yield Finding("fail", "onnxruntime", "onnxruntime and onnxruntime-gpu overwrite each other's files", remedy)


def check_cuda(_root: Path) -> Iterator[Finding]:
    """Check that torch can use the GPUs that the driver shows."""
    import torch

    from pipeline.serving.runtime.session import gpus

    version = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(number)
            bfloat16 = "bfloat16" if device.major >= 8 else "no bfloat16"
            memory = f"{device.total_memory / 2**30:.0f} GiB"
            yield Finding("ok", "cuda", f"{number}: {device.name}, {memory}, {bfloat16} ({version})")
    elif gpus() > 0:
        remedy = f"update the NVIDIA driver to one for CUDA {torch.version.cuda}, or run {INSTALL}"
        yield Finding("warn", "cuda", f"the driver shows {gpus()} GPU(s), but {version} cannot use them", remedy)
    else:
        threads = f"{torch.get_num_threads()} CPU threads"
        yield Finding("ok", "cuda", f"no GPU; training runs on {threads} ({version})")


def check_onnxruntime_provider(_root: Path) -> Iterator[Finding]:
    """Run a session: ONNX Runtime lists CUDA as available even on machines without a GPU."""
    import numpy as np
    from onnx import TensorProto, helper

    from pipeline.serving.runtime.session import CPU, gpus, open_session

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "doctor", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = open_session(model.SerializeToString(), "doctor")
    (output,) = session.run(None, {"x": np.array([-1, 2], np.float32)})
    provider = session.get_providers()[0]
    if output.tolist() != [0, 2]:
        yield Finding("fail", "onnxruntime", f"{provider} computes Relu(-1, 2) = {output.tolist()}", INSTALL)
    elif provider == CPU and gpus() > 0:
        remedy = "install the torch of requirements.lock, which brings the CUDA libraries"
        yield Finding("warn", "onnxruntime", "runs on the CPU although there is a GPU", remedy)
    else:
        yield Finding("ok", "onnxruntime", f"runs on {provider}")


def check_telemetry(_root: Path) -> Iterator[Finding]:
    """Check that the environment does not enable telemetry."""
    enabled = [
        f"{name}={os.environ.get(name, '')}"
        for name, value in OFF.items()
        if os.environ.get(name, "").lower() not in MEANS_OFF[value]
    ]
    if enabled:
        yield Finding(
            "warn", "telemetry", f"not disabled: {', '.join(enabled)}", "unset them: ganline sets them itself"
        )
    else:
        yield Finding("ok", "telemetry", f"off ({', '.join(OFF)})")
