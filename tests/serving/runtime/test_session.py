"""The threads of ONNX Runtime sessions."""

import os
from typing import Any

import numpy as np
import pytest

from pipeline.serving.graph_tensors import latents
from pipeline.serving.http.model_reloader import ModelReloader
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.runtime.session import open_session, usable_cores
from pipeline.serving.settings import ServeSettings


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_the_cores_are_those_that_affinity_leaves() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("threads", [None, 3])
def test_the_service_computes_with_the_threads_of_its_settings(plain_graph: Any, threads: int | None) -> None:
    settings = ServeSettings(threads=threads, max_batch=1)
    reloader = ModelReloader(FileSource(plain_graph.path), settings, Metrics())
    options = reloader.current.graph.session.get_session_options()
    assert options.intra_op_num_threads == reloader.threads == (threads or usable_cores())


def test_threads_do_not_change_the_bits(plain_graph: Any) -> None:
    z = {"z": latents(1, 0, 64, 24)}
    few, many = (open_session(plain_graph.path, "", threads=threads).run(["images"], z)[0] for threads in (1, 4))
    assert np.array_equal(few, many)
