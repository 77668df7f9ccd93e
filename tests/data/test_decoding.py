"""Decoding in worker processes: ordered results, bounded look-ahead, no process outlives its parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from pipeline.data.decoding import CHUNK_BYTES, Decoder, DecodingJob, decode_all, group_jobs
from pipeline.data.remote_objects import StoredBytes
from pipeline.data.workers import local_workers
from pipeline.errors import InputError
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA
from tests.waiting import WAIT_SECONDS

ENDLESS = """
import itertools, pathlib, sys
from pipeline.data.decoding import Decoder, DecodingJob, decode_all
from pipeline.data.workers import local_workers
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA
if __name__ == "__main__":
    settings = ImageSettings()
    decoder = Decoder(MEDIA["image"], settings, MEDIA["image"].spec(settings, ()))
    data = pathlib.Path(sys.argv[1]).read_bytes()
    with local_workers(2) as workers:
        for number, _ in decode_all((DecodingJob(n, data) for n in itertools.count()), decoder, workers):
            if number == 500:
                sys.stdout.write("under way\\n")
                sys.stdout.flush()
"""


def decoder(channels: str) -> Decoder:
    settings = ImageSettings.model_validate({"channels": channels})
    return Decoder(MEDIA["image"], settings, MEDIA["image"].spec(settings, ()))


def test_a_killed_worker_is_an_input_error(tmp_path: Path, good_files: dict[str, bytes]) -> None:
    def jobs() -> Iterator[DecodingJob[int]]:
        for number in range(100_000):
            if number == 2000:
                for child in multiprocessing.active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)
            yield DecodingJob(number, good_files["rgb.png"])

    with pytest.raises(InputError, match="a decoding process was killed"), local_workers(2) as workers:
        for _ in decode_all(jobs(), decoder("rgb"), workers):
            pass


def test_results_are_in_order_and_few_jobs_are_read_ahead(good_files: dict[str, bytes]) -> None:
    asked = 0

    def jobs() -> Iterator[DecodingJob[int]]:
        nonlocal asked
        for number in range(3000):
            asked = number
            yield DecodingJob(number, good_files["gray.png"] if number % 3 else None)

    ahead = 0
    with local_workers(2) as workers:
        for position, (key, file) in enumerate(decode_all(jobs(), decoder("gray"), workers)):
            assert key == position
            assert (file is None) == (position % 3 == 0)
            assert file is None or len(file.items) == 1
            ahead = max(ahead, asked - position)
    assert ahead <= 64 * 6  # five chunks in flight and one that is being filled


def test_chunks_are_bounded_in_files_and_bytes() -> None:
    sizes = [1] * 10 + [CHUNK_BYTES] * 3 + [1] * 5
    jobs = [DecodingJob(k, StoredBytes("s3://b/k", size) if k % 2 else bytes(size)) for k, size in enumerate(sizes)]
    groups = list(group_jobs([*jobs, DecodingJob(len(jobs), None)], 4))
    assert [job.key for group in groups for job in group] == list(range(len(jobs) + 1))
    assert [len(group) for group in groups] == [4, 4, 3, 1, 1, 4, 2]


def test_workers_import_no_heavy_library() -> None:
    heavy = {"torch", "sklearn", "pyarrow", "pandas", "great_expectations", "mlflow"}
    code = "import sys, pipeline.data.decoding; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("stop", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)],
)
def test_no_worker_outlives_its_parent(
    tmp_path: Path, good_files: dict[str, bytes], stop: signal.Signals, code: int
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    (tmp_path / "picture").write_bytes(good_files["rgb.png"])
    command = [sys.executable, str(tmp_path / "endless.py"), str(tmp_path / "picture")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "under way\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        if stop == signal.SIGINT:
            os.killpg(process.pid, stop)  # Ctrl-C in a terminal signals the whole process group
        else:
            process.send_signal(stop)
        process.wait(WAIT_SECONDS)
        _, alive = psutil.wait_procs(children, timeout=WAIT_SECONDS)
        stderr = process.communicate(timeout=WAIT_SECONDS)[1]
    assert alive == []
    assert process.returncode == code
    assert "SpawnProcess" not in stderr
