"""The generator without torch: the same picture whatever the batch, and clear words for every wrong file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline.errors import InputError
from pipeline.gans.base import to_uint8 as torch_to_uint8
from pipeline.serving.runtime import BATCH, Generator, latents, to_uint8


def test_pictures_are_uint8_and_what_torch_would_draw(made: Any) -> None:
    generator = Generator(made.path)
    pictures = generator.sample(5, seed=7)
    assert pictures.shape == (5, 16, 16, 1)
    assert pictures.dtype == np.uint8
    with torch.no_grad():
        expected = torch_to_uint8(made.spec.module(torch.from_numpy(latents(7, 0, 5, 24))))
    assert np.abs(pictures.astype(int) - expected.astype(int)).max() <= 1
    assert generator.metadata == made.metadata
    assert generator.provider in ("CPUExecutionProvider", "CUDAExecutionProvider")


def test_the_same_seed_gives_the_same_picture_however_many_are_asked_for(made: Any) -> None:
    generator = Generator(made.path)
    many = generator.sample(2 * BATCH + 5, seed=11)
    for n in (1, 2, 7, BATCH, BATCH + 1):
        assert np.array_equal(generator.sample(n, seed=11), many[:n])
    assert len(np.unique(many.reshape(len(many), -1), axis=0)) == len(many)
    assert not np.array_equal(generator.sample(4, seed=12), many[:4])


def test_latents_are_normal_and_streams_do_not_meet() -> None:
    z = latents(3, 0, 2000, 50)
    assert z.dtype == np.float32
    assert abs(float(z.mean())) < 4 / np.sqrt(z.size)
    assert abs(float(z.var()) - 1) < 4 * np.sqrt(2 / z.size)
    assert np.array_equal(latents(3, 1999, 1, 50)[0], z[1999])
    assert not np.array_equal(latents(4, 0, 1, 50)[0], z[1])  # neighbours in seed are not neighbours in index
    assert not np.array_equal(latents(2**64 - 1, 0, 1, 8), latents(2**64 - 2, 0, 1, 8))


def test_quantising_agrees_with_the_judged_one_at_every_edge() -> None:
    steps = np.arange(-2, 258, dtype=np.float32)
    values = np.concatenate([(steps - 128) / np.float32(127.5), np.nextafter((steps - 128) / np.float32(127.5), np.float32(9)), [np.nan, np.inf, -np.inf]])
    values = values.astype(np.float32).reshape(-1, 1, 1, 1)
    finite = np.isfinite(values[:, 0, 0, 0])
    assert np.array_equal(to_uint8(values)[finite], torch_to_uint8(torch.from_numpy(values))[finite])
    assert to_uint8(values)[~finite].ravel().tolist() == [0, 0, 0]


def test_further_inputs_are_given_by_name(made_conditional: Any) -> None:
    generator = Generator(made_conditional.path)
    labels = np.arange(100) % 5
    pictures = generator.sample(100, 5, label=labels)
    assert pictures.shape == (100, 8, 8, 3)
    assert np.array_equal(generator.sample(70, 5, label=labels[:70]), pictures[:70])
    for wrong in ({}, {"psi": labels}, {"label": labels, "psi": labels}):
        with pytest.raises(InputError, match="takes z, label"):
            generator.sample(100, 5, **wrong)


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (-1, 0), (1, -1), (1, 2**64)])
def test_counts_and_seeds_out_of_range(made: Any, n: int, seed: int) -> None:
    with pytest.raises(InputError, match="must"):
        Generator(made.path).sample(n, seed)


def test_files_that_are_no_generator_are_named(made: Any, tmp_path: Path, capfd: Any) -> None:
    content = made.path.read_bytes()
    foreign = onnx.load(made.path)
    del foreign.metadata_props[:]
    damaged = onnx.load(made.path)
    next(entry for entry in damaged.metadata_props if entry.key == "ganline.latent").value = "many"
    wrong = {
        "empty.onnx": (b"", "not a model"),
        "text.onnx": (b"hello " * 100, "not a model"),
        "cut.onnx": (content[: len(content) // 2], "not a model"),
        "foreign.onnx": (foreign.SerializeToString(), "not one that ganline exported"),
        "damaged.onnx": (damaged.SerializeToString(), "damaged"),
    }
    for name, (data, message) in wrong.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            Generator(tmp_path / name)
    with pytest.raises(InputError, match=r"absent\.onnx.*dvc repro"):
        Generator(tmp_path / "absent.onnx")
    with pytest.raises(InputError, match="cannot be read"):
        Generator(tmp_path)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
