"""`ganline divide`, and the workers' own data that it writes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import processes
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.data.store_writer import StoreWriter
from pipeline.errors import InputError
from pipeline.stages.commands import divide
from pipeline.stages.paths import Paths
from pipeline.stages.worker_data import open_worker_data
from tests.specs import image_spec

PARAMS = "data: {{resolution: 8}}\nmodel: {{variant: {variant}}}\ntrain: {{batch_size: 48}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """48 training and 12 test items of six classes; the values of item k are k."""
    paths = Paths(tmp_path)
    (tmp_path / "data").mkdir()
    with StoreWriter(paths.dataset, image_spec(8, 1, 6)) as store:
        for k in range(60):
            record = {
                "path": f"{k}.png",
                "label": k % 6,
                "split": "test" if k % 5 == 4 else "train",
                "pixels_sha256": f"{k}",
            }
            store.add(record, np.full((8, 8, 1), k, dtype=np.uint8))
        store.finish("numbers")
    paths.validated.mkdir()
    shutil.copy(paths.dataset / "manifest.parquet", paths.validated / "index.parquet")
    paths.params.write_text(PARAMS.format(variant="mdgan, workers: 3, split: own"))
    return tmp_path


def open_set(folder: Path, split: str) -> ItemSet:
    return open_split(folder / "dataset", folder / "validated", split, verify=True)


def test_each_worker_gets_its_own_items(project: Path) -> None:
    paths = Paths(project)
    written = divide.run(project, "classes")
    assert [folder for folder, _ in written] == [*(paths.worker(n) for n in range(3)), paths.server]
    assert sum(items for _, items in written) == 60
    seen: list[int] = []
    for number, (folder, items) in enumerate(written[:3]):
        data = open_set(folder, "train")
        assert len(data) == items
        assert len(open_set(folder, "test")) == 0
        assert sorted(set(data.labels.tolist())) == [2 * number, 2 * number + 1]
        values = data.images()[:, 0, 0, 0].tolist()
        assert [f"{value}.png" for value in values] == list(data.names)
        assert [value % 6 for value in values] == data.labels.tolist()
        seen += values
    assert sorted(seen) == [k for k in range(60) if k % 5 != 4]
    server = open_set(paths.server, "test")
    assert server.images()[:, 0, 0, 0].tolist() == [k for k in range(60) if k % 5 == 4]
    assert len(open_set(paths.server, "train")) == 0
    assert DatasetInfo.read(paths.server / "dataset").source == "numbers"


def test_a_second_division_replaces_the_first(project: Path) -> None:
    divide.run(project, "classes")
    divide.run(project, "iid")
    assert len(set(open_set(Paths(project).worker(0), "train").labels.tolist())) > 2


def test_a_process_opens_the_data_of_its_workers_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three processes, process 1 has the workers 0 and 2. It does not need the folders of the others."""
    paths, item = Paths(project), image_spec(8, 1, 6)
    divide.run(project, "classes")
    whole = open_worker_data(paths, 3, item)
    assert (len(whole), whole.total, sorted(whole.own)) == (48, 48, [0, 1, 2])
    for number, positions in whole.own.items():
        assert set(whole.labels[positions].tolist()) == {2 * number, 2 * number + 1}
        assert [f"{k}.png" for k in whole.images(positions)[:, 0, 0, 0]] == [whole.names[k] for k in positions]
    others = {1: (16, open_set(paths.worker(1), "train").fingerprint)}
    for folder in (paths.dataset, paths.validated, paths.worker(1), paths.server):
        shutil.rmtree(folder)
    monkeypatch.setattr(processes, "count", lambda: 3)
    monkeypatch.setattr(processes, "rank", lambda: 1)
    monkeypatch.setattr(processes, "all_of", lambda value: [{}, value, others])
    data = open_worker_data(paths, 3, item)
    assert (sorted(data.own), data.total, data.fingerprint) == ([0, 2], 48, whole.fingerprint)
    assert len(data) == sum(len(positions) for positions in data.own.values()) == 32
    monkeypatch.setattr(processes, "rank", lambda: 0)
    monkeypatch.setattr(processes, "all_of", lambda value: [value, {0: (16, ""), 2: (16, "")}, others])
    assert len(open_worker_data(paths, 3, item)) == 0, "the process of the generator has no data"


def test_data_that_do_not_fit_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(project)
    with pytest.raises(InputError, match=r"workers.0: no such folder.*`ganline divide`"):
        open_worker_data(paths, 3, image_spec(8, 1, 6))
    divide.run(project, "iid")
    with pytest.raises(InputError, match=r"workers.0: its items are 8 x 8 x 1 uint8.* 16 x 16 x 1 uint8. Ingest both"):
        open_worker_data(paths, 3, image_spec(16, 1))
    monkeypatch.setattr(processes, "count", lambda: 5)
    with pytest.raises(InputError, match=r"5 processes for model.workers 3: start at most 4"):
        open_worker_data(paths, 3, image_spec(8, 1))
    paths.params.write_text(PARAMS.format(variant="dcgan"))
    with pytest.raises(InputError, match=r"model.variant dcgan has no workers; set model.variant: mdgan"):
        divide.run(project, "iid")
