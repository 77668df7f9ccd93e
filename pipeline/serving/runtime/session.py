"""ONNX Runtime sessions: CUDA where there is a GPU, the CPU elsewhere, and no noise about the difference."""

import contextlib
import ctypes
import io
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InputError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
WANTED: dict[str, str] = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}

# Heuristic search and no TF32: the same seed gives the same picture on every start, and float32 means float32.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


def open_session(
    model: Path | bytes, name: str, *, provider: Provider = "auto", strict: bool = False, spin: bool = True
) -> Any:
    """An `onnxruntime.InferenceSession` over a file or its bytes; `name` is what errors call it.

    `session.get_providers()[0]` is the provider that really runs: where the wanted one cannot, the next of TensorRT, CUDA, CPU does,
    unless `strict`. "auto" is CUDA, else the CPU. Without `spin` idle threads sleep, which leaves the processor to others in the process.
    Raises InputError when ONNX Runtime cannot load the model, or not with a `strict` provider.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal: that CUDA is absent is no error here
    if not spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [CPU]
    if provider != "cpu" and gpus() > 0 and CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        providers = [(CUDA, CUDA_OPTIONS), CPU]
        if provider == "tensorrt" and TENSORRT in onnxruntime.get_available_providers():
            providers = [TENSORRT, *providers]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a provider that cannot start is printed, and passed over
            session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=providers
            )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: not a model that ONNX Runtime can run ({reason}); run `dvc repro -f export`"
        ) from None
    found = session.get_providers()[0]
    if strict and found != WANTED.get(provider, found):
        way_out = "see `ganline doctor`, choose another --provider, or leave --strict-provider out"
        raise InputError(f"{name}: --strict-provider: {WANTED[provider]} cannot run here, {found} would; {way_out}")
    return session


def median_ms(session: Any, inputs: Mapping[str, Any]) -> float:
    """Median wall time of one call in milliseconds, over 5 to 50 calls within about a second, after two to warm up."""
    times: list[float] = []
    for call in range(52):
        began = time.perf_counter()
        session.run(None, inputs)
        if call >= 2:
            times.append(time.perf_counter() - began)
        if len(times) >= 5 and sum(times) > 1:
            break
    return statistics.median(times) * 1000


def gpus() -> int:
    """CUDA devices the driver shows to this process (CUDA_VISIBLE_DEVICES counts); 0 without a driver.

    ONNX Runtime lists CUDA wherever it was compiled in, and asking torch would import it.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
