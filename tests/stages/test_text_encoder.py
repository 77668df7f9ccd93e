"""A text encoder of the user's in the stages: found, checked, part of the fingerprint, and needed in training only."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import params as parameters
from pipeline.errors import InputError
from pipeline.serving.runtime.generator import Generator
from pipeline.stages import ingest, text_encoder, validate
from pipeline.stages.paths import Paths
from pipeline.stages.train import fingerprint
from pipeline.stages.training_inputs import Inputs, open_inputs
from pipeline.tokenizer import Tokenizer
from tests.all_stages import all_stages
from tests.captioned import captioned_items
from tests.text_encoders import ENTRIES, write_encoder, write_vocabulary

PARAMS = """
data: {source: data/raw, channels: rgb, test_fraction: 0.3}
validate: {constant_std: 0.005}
model:
  variant: dfgan
  latent: 4
  generator_channels: 8
  discriminator_channels: 8
  text_width: 8
  text_steps: 4
  text: {encoder: encoder.onnx, tokenizer: vocabulary.txt}
train: {device: cpu, batch_size: 8, total_images: 32, log_images: 8, health: {images: 32, samples: 64}}
evaluate: {samples: 50}
export: {allow_failed: true}
tracking: {experiment: tests, model: tests-text}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with captioned images, one of them without a caption, and an encoder."""
    root = tmp_path_factory.mktemp("captions")
    (root / "params.yaml").write_text(PARAMS)
    data, rows = captioned_items(130), ["file,caption"]
    folder = root / "data" / "raw" / "images"
    folder.mkdir(parents=True)
    for number, (image, caption) in enumerate(zip(data.images(), data.captions, strict=True)):
        Image.fromarray(image).save(folder / f"{number}.png")
        rows += [f'{number}.png,"{caption}"'] if number else []
    (root / "data" / "raw" / "captions.csv").write_text("\n".join(rows))
    write_encoder(root)
    write_vocabulary(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ingest.run(root)
        validate.run(root)
        yield root


def opened(root: Path) -> Inputs:
    return open_inputs(Paths(root), parameters.load(root / "params.yaml"))


def test_the_tokenizer_of_the_encoder_reads_the_captions(project: Path) -> None:
    inputs = opened(project)
    assert inputs.text is not None
    for item in (inputs.info.item, inputs.data.item, inputs.test.item):
        assert isinstance(item.vocabulary, Tokenizer)
    assert text_encoder.warnings_of(inputs.text, inputs.data) == []


def test_cut_captions_and_unknown_words_are_counted(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "project")
    root = tmp_path / "project"
    write_encoder(root, length=5)
    write_vocabulary(root, [entry for entry in ENTRIES if entry not in ("plain", "is")])
    inputs = opened(root)
    assert inputs.text is not None
    cut, unknown = text_encoder.warnings_of(inputs.text, inputs.data)
    long = sum(caption.startswith("the square is") for caption in inputs.data.captions)
    captioned = sum(bool(caption) for caption in inputs.data.captions)
    expected = f"{long} of {captioned} captions have more than 5 tokens. They are cut, and keep their end token"
    assert cut == expected
    assert unknown.startswith("the tokenizer does not know 2 words of the captions, most often '")


def test_other_files_are_another_training(project: Path, tmp_path: Path) -> None:
    before = fingerprint(opened(project))
    shutil.copytree(project, tmp_path / "project")
    write_encoder(tmp_path / "project", pooled=True)
    assert fingerprint(opened(tmp_path / "project")) != before
    write_encoder(tmp_path / "project")
    assert fingerprint(opened(tmp_path / "project")) == before


def test_a_missing_file_is_an_error_that_names_the_key(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "project")
    (tmp_path / "project" / "encoder.onnx").unlink()
    with pytest.raises(InputError, match=r"^model\.text\.encoder encoder\.onnx: no such file"):
        opened(tmp_path / "project")


@pytest.mark.slow
def test_all_stages(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / "data" / "dataset")
    with all_stages(project):
        assert "1 of " in capsys.readouterr().err
        (project / "encoder.onnx").unlink()
        generator = Generator(project / "exported" / "generator.onnx")
        assert isinstance(generator.metadata.item.vocabulary, Tokenizer)
        assert np.isfinite(generator.sample(2, 0, text=["a red square"])).all()
    write_encoder(project)
