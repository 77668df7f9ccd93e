"""The generator in ONNX Runtime: reproducible images, and messages for invalid files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline.errors import InputError
from pipeline.media.registry import MEDIA
from pipeline.serving.controls import class_indices
from pipeline.serving.graph_tensors import latents
from pipeline.serving.onnx.graph_digest import seal
from pipeline.serving.runtime.generator import BATCH, Generator
from tests.specs import image_spec
from tests.specs import to_uint8 as torch_to_uint8


def test_images_are_uint8_and_equal_those_of_torch(plain_graph: Any) -> None:
    generator = Generator(plain_graph.path)
    pictures = generator.sample(5, seed=7)
    assert pictures.shape == (5, 16, 16, 1)
    assert pictures.dtype == np.uint8
    with torch.no_grad():
        expected = torch_to_uint8(plain_graph.spec.module(torch.from_numpy(latents(7, 0, 5, 24))))
    assert np.abs(pictures.astype(int) - expected.astype(int)).max() <= 1
    assert generator.metadata == plain_graph.metadata
    assert generator.provider in ("CPUExecutionProvider", "CUDAExecutionProvider")


def test_a_seed_gives_the_same_images_for_any_n(plain_graph: Any) -> None:
    generator = Generator(plain_graph.path)
    many = generator.sample(2 * BATCH + 5, seed=11)
    for n in (1, 2, 7, BATCH, BATCH + 1):
        assert np.array_equal(generator.sample(n, seed=11), many[:n])
    assert len(np.unique(many.reshape(len(many), -1), axis=0)) == len(many)
    assert not np.array_equal(generator.sample(4, seed=12), many[:4])


def test_latents_are_normal_and_streams_are_independent() -> None:
    z = latents(3, 0, 2000, 50)
    assert z.dtype == np.float32
    assert abs(float(z.mean())) < 4 / np.sqrt(z.size)
    assert abs(float(z.var()) - 1) < 4 * np.sqrt(2 / z.size)
    assert np.array_equal(latents(3, 1999, 1, 50)[0], z[1999])
    assert not np.array_equal(latents(4, 0, 1, 50)[0], z[1])  # neighbours in seed are not neighbours in index
    assert not np.array_equal(latents(2**64 - 1, 0, 1, 8), latents(2**64 - 2, 0, 1, 8))


def test_rounding_equals_that_of_the_evaluation() -> None:
    steps = np.arange(-2, 258, dtype=np.float32)
    values = np.concatenate(
        [
            (steps - 128) / np.float32(127.5),
            np.nextafter((steps - 128) / np.float32(127.5), np.float32(9)),
            [np.nan, np.inf, -np.inf],
        ]
    )
    values = values.astype(np.float32).reshape(-1, 1, 1, 1)
    finite = np.isfinite(values[:, 0, 0, 0])
    pixels = MEDIA["image"].from_network(values, image_spec(1, 1))
    assert np.array_equal(pixels[finite], torch_to_uint8(torch.from_numpy(values))[finite])
    assert pixels[~finite].ravel().tolist() == [0, 0, 0]


def test_labels_are_used_in_turn_and_default_to_all(labelled_graph: Any) -> None:
    generator = Generator(labelled_graph.path)
    assert generator.classes == list("abcde")
    pictures = generator.sample(100, 5)
    assert pictures.shape == (100, 8, 8, 3)
    with torch.no_grad():
        expected = torch_to_uint8(
            labelled_graph.spec.module(torch.from_numpy(latents(5, 0, 100, 12)), torch.arange(100) % 5)
        )
    assert np.abs(pictures.astype(int) - expected.astype(int)).max() <= 1
    assert np.array_equal(generator.sample(100, 5, label=np.arange(100) % 5), pictures)
    assert np.array_equal(generator.sample(70, 5), pictures[:70]), (
        "5 does not divide the batch of 64: the order continues across batches"
    )


def test_an_image_depends_only_on_seed_index_and_label(labelled_graph: Any) -> None:
    generator = Generator(labelled_graph.path)
    threes, mixed = generator.sample(70, 5, label=[3]), generator.sample(70, 5, label=["b", 3, "a"])
    assert np.array_equal(mixed[1::3], threes[1::3])
    assert not np.array_equal(mixed[0], threes[0])


def test_a_class_name_takes_precedence_over_an_index(describe: Callable[..., Any]) -> None:
    metadata = describe(class_names=["2", "0", "Naïve", "four", "five"])
    assert class_indices(["2", "0", "Naïve", "3", 2, 4], metadata).tolist() == [0, 1, 2, 3, 2, 4]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("5", r"no class '5'\. .*Classes: a, b, c, d, e, or indices 0 \.\. 4"),
        ("B", "Did you mean 'b'"),
        (-1, "no class '-1'"),
        ("", "no class ''"),
        ("٣", "no class '٣'"),
        ("9" * 5000, "no class"),
        (1.5, "no class '1.5'"),
    ],
)
def test_unknown_classes_are_reported_with_the_closest_one(labelled_graph: Any, wanted: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Generator(labelled_graph.path).sample(1, label=[wanted])


def test_long_class_lists_are_shortened(styled_graph: Any) -> None:
    with pytest.raises(
        InputError,
        match=r"Did you mean 'kind 29'\? Classes: kind 0, kind 1, .*, kind 19 and 10 more, or indices 0 .. 29",
    ):
        Generator(styled_graph.path).conditions(label=["knd 29"])


def test_psi_is_passed_to_the_graph_and_defaults_to_1(styled_graph: Any) -> None:
    generator = Generator(styled_graph.path)
    whole, half, average = (generator.sample(9, 2, psi=psi) for psi in (None, 0.5, 0.0))
    assert np.array_equal(whole, generator.sample(9, 2, psi=1.0))
    z, label = torch.from_numpy(latents(2, 0, 9, 6)), torch.arange(9)
    with torch.no_grad():
        expected = torch_to_uint8(styled_graph.spec.module(z, label, torch.full((9,), 0.5))[0])
    assert np.abs(half.astype(int) - expected.astype(int)).max() <= 1
    assert not np.array_equal(half, whole)
    assert len(np.unique(average.reshape(9, -1), axis=0)) == 1
    for psi in (-0.1, 1.6, np.nan, np.inf):
        with pytest.raises(InputError, match=r"psi must lie in 0 \.\. 1\.5"):
            generator.sample(1, psi=psi)


def test_conditions_that_the_graph_does_not_take_are_rejected(plain_graph: Any, labelled_graph: Any) -> None:
    with pytest.raises(InputError, match=r"\(dcgan\) takes no label: its generator is not class-conditional"):
        Generator(plain_graph.path).sample(1, label=["zero"])
    for one in (plain_graph, labelled_graph):
        with pytest.raises(InputError, match=r"\(dcgan\) takes no psi"):
            Generator(one.path).sample(1, psi=1.0)


def test_other_graphs_are_no_generators(styled_graph: Any, tmp_path: Path) -> None:
    """StyleGAN2's synthesis (w to images) and the feature extractor lie in the same folder."""
    model = onnx.load(styled_graph.path)
    for tensors, old, new in ((model.graph.input, "z", "w0"), (model.graph.output, "images", "pixels")):
        renamed = onnx.ModelProto()
        renamed.CopyFrom(model)
        for node in renamed.graph.node:
            for names in (node.input, node.output):
                for k, name in enumerate(names):
                    names[k] = new if name == old else name
        for tensor in renamed.graph.input if tensors is model.graph.input else renamed.graph.output:
            tensor.name = new if tensor.name == old else tensor.name
        (tmp_path / "other.onnx").write_bytes(seal(renamed))
        with pytest.raises(
            InputError, match=rf"other\.onnx: maps .*{new}.* not latents z to images\. Use the generator\.onnx"
        ):
            Generator(tmp_path / "other.onnx")


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (-1, 0), (1, -1), (1, 2**64)])
def test_counts_and_seeds_outside_of_their_range(plain_graph: Any, n: int, seed: int) -> None:
    with pytest.raises(InputError, match="must"):
        Generator(plain_graph.path).sample(n, seed)


def test_invalid_files_are_reported_by_name(plain_graph: Any, tmp_path: Path, capfd: Any) -> None:
    content = plain_graph.path.read_bytes()
    foreign = onnx.load(plain_graph.path)
    del foreign.metadata_props[:]
    damaged = onnx.load(plain_graph.path)
    next(entry for entry in damaged.metadata_props if entry.key == "ganline.latent").value = "many"
    wrong = {
        "empty.onnx": (b"", "not a model"),
        "text.onnx": (b"hello " * 100, "not a model"),
        "cut.onnx": (content[: len(content) // 2], "not a model"),
        "foreign.onnx": (foreign.SerializeToString(), "not an ONNX model exported by ganline"),
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
