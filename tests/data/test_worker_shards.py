"""Training items that are divided among workers."""

import numpy as np
import pytest
import torch

from pipeline.data.worker_shards import WorkerShards, divide
from pipeline.errors import InputError
from tests.data.test_views import Arrays

CPU = torch.device("cpu")


def labelled(n: int, classes: int) -> Arrays:
    """Item k is of class k modulo `classes`."""
    data = Arrays(n)
    data.labels = np.arange(n) % classes
    return data


def labels_of(workers: int, classes: int) -> list[list[int]]:
    data = labelled(60, classes)
    return [sorted(set(data.labels[shard].tolist())) for shard in divide(data, workers, "classes", 3)]


@pytest.mark.parametrize("workers", [1, 2, 5, 7, 60])
@pytest.mark.parametrize("split", ["iid", "classes"])
def test_every_item_belongs_to_one_worker(workers: int, split: str) -> None:
    data = labelled(60, 10)
    shards = divide(data, workers, split, 3)  # type: ignore[arg-type]
    assert len(shards) == workers
    assert sorted(np.concatenate(shards).tolist()) == list(range(60))
    if split == "iid":
        assert {len(shard) for shard in shards} <= {60 // workers, 60 // workers + 1}
    assert [shard.tolist() for shard in shards] == [
        shard.tolist()
        for shard in divide(data, workers, split, 3)  # type: ignore[arg-type]
    ]


def test_whole_classes_go_to_workers() -> None:
    assert labels_of(5, 10) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert labels_of(2, 3) == [[0, 1], [2]]
    assert labels_of(5, 2) == [[0], [0], [0], [1], [1]], "workers share the items of a class"


def test_iid_shards_mix_the_classes_and_depend_on_the_seed() -> None:
    data = labelled(60, 3)
    first, other = divide(data, 3, "iid", 0), divide(data, 3, "iid", 1)
    assert all(len(set(data.labels[shard].tolist())) == 3 for shard in first)
    assert any(mine.tolist() != theirs.tolist() for mine, theirs in zip(first, other, strict=True))


def test_row_i_of_a_batch_is_an_item_of_worker_i_modulo_their_number() -> None:
    data = labelled(60, 3)
    shards = divide(data, 3, "classes", 3)
    view = WorkerShards(data, CPU, 3, workers=3, split="classes")
    seen: list[list[int]] = [[], [], []]
    for _ in range(10):
        batch = view.next(12)["item"]
        assert batch.is_contiguous(memory_format=torch.channels_last)
        values = ((batch[:, 1, 1, 1] + 1) * 127.5).round().int()
        for worker in range(3):
            seen[worker] += values[worker::3].tolist()
    assert [sorted(found) for found in seen] == [sorted(shard.tolist() * 2) for shard in shards]


def test_a_view_continues_where_it_was() -> None:
    view, other = (WorkerShards(Arrays(30), CPU, 0, workers=3, split="iid", flips=True) for _ in range(2))
    view.next(9)
    other.restore(view.state())
    for _ in range(5):
        torch.testing.assert_close(view.next(12)["item"], other.next(12)["item"], rtol=0, atol=0)


def test_items_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(InputError, match=r"model.workers 5: 4 training items are too few, worker 4 would have none"):
        divide(Arrays(4), 5, "iid", 0)
    with pytest.raises(InputError, match=r"model.split classes: 8 of 8 training items have no class.*model.split: iid"):
        divide(Arrays(8), 2, "classes", 0)
    with pytest.raises(InputError, match="worker 3 would have none"):
        divide(labelled(5, 2), 7, "classes", 0)
