"""Ready configurations."""

import shutil
from pathlib import Path

import pytest

from pipeline import params
from pipeline.cli import presets
from pipeline.errors import InputError
from pipeline.params import Params

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "presets", tmp_path / "presets")
    return tmp_path


def test_the_presets_of_the_project() -> None:
    found = {preset.name: preset for preset in presets.available(REPOSITORY)}
    assert set(found) >= {"digits", "fashion-mnist-32", "cifar10-32", "photos-64"}
    for preset in found.values():
        assert len(preset.purpose) > 20
        assert len(preset.cost) > 20


@pytest.mark.parametrize("path", sorted((REPOSITORY / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_each_preset_is_valid_and_names_every_key(path: Path) -> None:
    # DVC tracks whole sections of params.yaml: a key that is left out would change with the code's default unnoticed.
    from ruamel.yaml import YAML

    loaded = params.load(path)
    written = YAML(typ="safe", pure=True).load(path.read_text())
    # These hold what is measured of samples; of restorations and translations the gate holds all there is.
    unused = {} if loaded.model.task == "generate" else {"promote": {"limits", "floors"}}
    assert keys(written) == keys(loaded.model_dump(mode="json", by_alias=True, exclude=unused))


def keys(value: object, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return {path} | {found for name, below in value.items() for found in keys(below, f"{path}.{name}")}


@pytest.mark.parametrize(
    ("name", "resolution"), [("digits", 8), ("fashion-mnist-32", 32), ("cifar10-32", 32), ("photos-64", 64)]
)
def test_the_name_states_the_resolution_and_models_do_not_share_a_name(name: str, resolution: int) -> None:
    loaded = params.load(REPOSITORY / "presets" / f"{name}.yaml")
    assert loaded.data.layout().height == resolution
    others = [
        params.load(preset.path).tracking.model for preset in presets.available(REPOSITORY) if preset.name != name
    ]
    assert loaded.tracking.model not in others


def test_use_writes_the_preset(root: Path) -> None:
    assert presets.use(root, "photos-64") is None
    assert (root / "params.yaml").read_bytes() == (root / "presets/photos-64.yaml").read_bytes()
    assert isinstance(params.load(root / "params.yaml"), Params)
    assert presets.use(root, "digits") is None, "an untouched preset is not worth keeping"
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml", "presets"]


def test_use_never_loses_what_was_edited_by_hand(root: Path) -> None:
    for number, name in enumerate(["params.yaml.bak", "params.yaml.bak2", "params.yaml.bak3"]):
        edited = f"# mine {number}\n"
        (root / "params.yaml").write_text(edited)
        assert presets.use(root, "digits") == root / name
        assert (root / name).read_text() == edited
    assert (root / "params.yaml.bak").read_text() == "# mine 0\n"


@pytest.mark.parametrize(
    ("name", "near"),
    [("fashion", "fashion-mnist-32"), ("digit", "digits"), ("cifar10", "cifar10-32"), ("../digits", "digits")],
)
def test_an_unknown_name_gives_the_nearest(root: Path, name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"did you mean `{near}`"):
        presets.use(root, name)
    assert not (root / "params.yaml").exists()


def test_a_broken_preset_changes_nothing(root: Path) -> None:
    (root / "params.yaml").write_text("# mine\n")
    (root / "presets/broken.yaml").write_text("# For:  x\n# Cost: y\ntrain: {batchsize: 3}\n")
    with pytest.raises(InputError, match=r"broken.yaml: train.batchsize: unknown key; did you mean `batch_size`"):
        presets.use(root, "broken")
    assert (root / "params.yaml").read_text() == "# mine\n"


def test_a_preset_without_a_header_is_named(root: Path) -> None:
    (root / "presets/mine.yaml").write_text("data:\n")
    with pytest.raises(InputError, match=r"mine.yaml: must begin with"):
        presets.available(root)


def test_outside_a_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no presets here"):
        presets.use(tmp_path, "digits")
