"""A delivered model: round trip, and clear words when a file is missing or damaged."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.training import model_files
from tests.specs import image_spec


def made() -> tuple[GAN, model_files.ModelConfig]:
    torch.manual_seed(0)
    settings = DCGANSettings(latent=8, generator_channels=8, discriminator_channels=8)
    config = model_files.ModelConfig(
        model=settings,
        item=image_spec(16, 3, ["a", "ü"]),
        dataset_source="digits",
        dataset_fingerprint="ab" * 32,
        images_seen=640,
    )
    return build(settings, image_spec(16, 3, 2)).eval(), config


def test_round_trip(tmp_path: Path) -> None:
    gan, config = made()
    model_files.save(gan, config, tmp_path)
    state = torch.get_rng_state()
    loaded, read = model_files.load(tmp_path)
    assert torch.equal(state, torch.get_rng_state()), "loading draws no random numbers from the caller's generator"
    assert read == config
    assert not loaded.training
    one, two = (g.sample(4, torch.Generator().manual_seed(1)) for g in (gan, loaded))
    assert torch.equal(one, two)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {model_files.WEIGHTS, model_files.OTHERS, model_files.CONFIG}
    model_files.save(gan, config, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first, "the same weights are the same bytes"


def test_a_description_written_before_items_were_described_once(tmp_path: Path) -> None:
    gan, config = made()
    model_files.save(gan, config, tmp_path)
    values = json.loads((tmp_path / model_files.CONFIG).read_text())
    del values["item"]
    old = values | {"resolution": 16, "channels": 3, "class_names": ["a", "ü"]}
    (tmp_path / model_files.CONFIG).write_text(json.dumps(old))
    assert model_files.load(tmp_path)[1] == config


def test_discriminators_are_read_on_request_alone(tmp_path: Path) -> None:
    gan, config = made()
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    gan.train().get_submodule("discriminator")(images)  # the batch statistics move away from where they start
    model_files.save(gan.eval(), config, tmp_path)
    verdicts = {}
    for wanted in (True, False):
        loaded, _ = model_files.load(tmp_path, discriminators=wanted)
        assert not loaded.training
        verdicts[wanted] = loaded.get_submodule("discriminator")(images)
    assert torch.equal(verdicts[True], gan.get_submodule("discriminator")(images))
    assert not torch.equal(verdicts[False], verdicts[True])
    (tmp_path / model_files.OTHERS).unlink()
    model_files.load(tmp_path)
    with pytest.raises(
        InputError,
        match=r"discriminator\.safetensors: cannot be read as the weights of config\.json.*run `dvc repro -f train`",
    ):
        model_files.load(tmp_path, discriminators=True)


def test_a_variant_that_averages_all_its_networks_has_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan, config = made()
    model_files.save(gan, config, tmp_path)
    monkeypatch.setattr(DCGAN, "ema_networks", ("generator", "discriminator"))
    model_files.save(gan, config, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {model_files.WEIGHTS, model_files.CONFIG}, (
        "nothing of the model before is left"
    )
    loaded, _ = model_files.load(tmp_path, discriminators=True)
    for name, value in gan.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (model_files.CONFIG, None, "config.json: no such file; run `dvc repro train`"),
        (model_files.CONFIG, b"{", "config.json: not a model description"),
        (model_files.CONFIG, b'{"model": {}}', "config.json: not a model description"),
        (model_files.WEIGHTS, None, "generator.safetensors: cannot be read"),
        (model_files.WEIGHTS, b"garbage", "generator.safetensors: cannot be read"),
    ],
)
def test_damage_is_named(tmp_path: Path, file: str, content: bytes | None, words: str) -> None:
    gan, config = made()
    model_files.save(gan, config, tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match="run `dvc repro") as error:
        model_files.load(tmp_path)
    assert words in str(error.value)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    gan, config = made()
    model_files.save(gan, config, tmp_path)
    (tmp_path / model_files.CONFIG).write_text(
        config.model_copy(update={"item": image_spec(16, 1, 2)}).model_dump_json()
    )
    with pytest.raises(InputError, match=r"generator\.safetensors: cannot be read as the weights of config\.json"):
        model_files.load(tmp_path)
