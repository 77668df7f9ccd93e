"""Presets: short overlays in presets/, and the complete params.yaml that is written from them."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.cli import presets
from pipeline.cli.params_text import COMMENT_COLUMN, LINE_LENGTH, format_params
from pipeline.cli.presets import Preset
from pipeline.errors import InputError
from pipeline.gans.registry import VARIANTS

REPOSITORY = Path(__file__).parents[2]
PRESETS = {preset.name: preset for preset in presets.list_presets(REPOSITORY)}

AXES = ("data.medium", "model.variant")

each_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "presets", tmp_path / "presets")
    return tmp_path


def test_the_presets_of_the_project() -> None:
    assert set(PRESETS) >= {"digits", "fashion-mnist-32", "cifar10-32", "photos-64"}
    for preset in PRESETS.values():
        assert len(preset.purpose) > 20
        assert len(preset.cost) > 20


@each_preset
def test_the_complete_text_has_the_values_of_the_preset(preset: Preset) -> None:
    assert params.parse(preset.complete_text(), "x") == params.parse(preset.text, "x")


@each_preset
def test_the_complete_text_names_every_key(preset: Preset) -> None:
    # DVC tracks whole sections of params.yaml: a missing key would follow the default of the code unnoticed.
    text = preset.complete_text()
    loaded = params.parse(text, "x")
    written = YAML(typ="safe", pure=True).load(text)
    assert key_paths(written) == key_paths(loaded.model_dump(mode="json", by_alias=True))


def key_paths(value: object, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    if not value:  # the section has no keys for this task
        return set()
    return {path} | {found for name, below in value.items() for found in key_paths(below, f"{path}.{name}")}


@each_preset
def test_a_preset_states_only_what_differs_from_the_defaults(preset: Preset) -> None:
    written = YAML(typ="safe", pure=True).load(preset.text)
    kind = params.params_class_for(written)
    defaults = {
        info.alias or name: info.get_default(call_default_factory=True) for name, info in kind.model_fields.items()
    }
    comments = dict(presets.comments_of(YAML().load(preset.text)))
    for section, values in written.items():
        default = defaults[section].model_dump(mode="json", by_alias=True)
        for path, value in leaves(values, default, section):
            assert value or path in comments or path in AXES, f"{path}: is the default"


def leaves(values: object, default: object, path: str) -> list[tuple[str, bool]]:
    """Return every value below `path`, and whether it differs from the default."""
    if isinstance(values, dict) and isinstance(default, dict) and set(values) != set(default):
        return [leaf for key in values for leaf in leaves(values[key], default[key], f"{path}.{key}")]
    return [(path, values != default)]


@each_preset
def test_lines_of_presets_and_of_the_complete_text_fit(preset: Preset) -> None:
    lines = [*preset.text.splitlines(), *preset.complete_text().splitlines()]
    assert [line for line in lines if len(line) > LINE_LENGTH] == []


def data_for(variant: str) -> dict[str, object]:
    """Return `data:` that a variant can be trained on."""
    if variant in ("musegan", "accompaniment"):
        return {"medium": "music"}
    if variant == "voxgan":
        return {"medium": "volume"}
    if variant in ("mocogan", "nextframe"):
        return {"medium": "video"}
    if variant in ("wavegan", "segan", "hifigan"):
        return {"medium": "audio", "representation": "wave"}
    return {"resolution": 64, "pairs": "outline" if VARIANTS[variant].settings.sides == "paired" else "none"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_settings_of_every_variant_survive_writing_and_reading(variant: str) -> None:
    data = data_for(variant)
    settings = params.parse_values({"data": data, "model": {"variant": variant}})
    assert params.parse(format_params(settings), "x") == settings


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_setting_has_a_description(variant: str) -> None:
    data = data_for(variant)
    settings = params.parse_values({"data": data, "model": {"variant": variant}})
    lines = format_params(settings).splitlines()
    bare = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if line and "# " not in line and not before.strip().startswith("# ")
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("data: {background: '#00ff00'}", "background: '#00ff00'"),
        ("data: {source: 'a: b # c'}", "source: 'a: b # c'"),
        ("data: {source: 'null', classes: [no, '1', x y]}", "source: 'null'"),
        ("train: {learning_rate: {generator: 2e-5}}", "generator: 0.00002"),
        (
            "train: {learning_rate: {generator: {start: 1e-3, end: 1e-9}}}",
            "generator: {start: 0.001, end: 0.000000001}",
        ),
        ("train: {ema_half_life: 10000000}", "ema_half_life: 10000000"),
        ("validate: {min_side: {limit: 32, severity: off}}", "min_side: {limit: 32, severity: off}"),
        ("tracking: {model: größer}", "model: größer"),
    ],
)
def test_values_are_written_as_a_person_writes_them(text: str, line: str) -> None:
    settings = params.parse(text, "x")
    written = format_params(settings)
    assert params.parse(written, "x") == settings
    assert line in [entry.split("  #")[0].strip() for entry in written.splitlines()]


def test_descriptions_become_comments() -> None:
    written = format_params(params.parse("", "x"), "# For:  x\n", {"train.flips": "of this preset"}).splitlines()
    assert written[0] == "# For:  x"
    assert f"{'  latent: 100':<{COMMENT_COLUMN}}# length of z" in written
    assert (
        f"{'  resize: lanczos':<{COMMENT_COLUMN}}# lanczos | bicubic | bilinear | box | nearest; resampling filter"
        in written
    )
    assert f"{'  flips: false':<{COMMENT_COLUMN}}# of this preset" in written


@pytest.mark.parametrize(
    ("name", "resolution"), [("digits", 8), ("fashion-mnist-32", 32), ("cifar10-32", 32), ("photos-64", 64)]
)
def test_the_name_states_the_resolution_and_models_do_not_share_a_name(name: str, resolution: int) -> None:
    loaded = params.load(REPOSITORY / "presets" / f"{name}.yaml")
    assert loaded.data.layout().height == resolution
    others = [params.load(preset.path).tracking.model for preset in PRESETS.values() if preset.name != name]
    assert loaded.tracking.model not in others


def test_the_params_of_the_project_are_the_preset_digits() -> None:
    written = (REPOSITORY / "params.yaml").read_text()
    assert written == PRESETS["digits"].complete_text(), "run `ganline preset use digits`"


def test_use_writes_the_complete_preset(root: Path) -> None:
    assert presets.use(root, "photos-64") is None
    assert (root / "params.yaml").read_text() == PRESETS["photos-64"].complete_text()
    assert presets.use(root, "digits") is None, "an unchanged preset is not worth keeping"
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml", "presets"]


def test_use_keeps_what_was_edited_by_hand(root: Path) -> None:
    presets.use(root, "digits")
    edits = ["# mine 0\n", "# mine 1\n", (root / "params.yaml").read_text().replace("seed: 0", "seed: 1")]
    for name, edited in zip(["params.yaml.bak", "params.yaml.bak2", "params.yaml.bak3"], edits, strict=True):
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
    assert presets.use(root, "digits") == root / "params.yaml.bak"


def test_a_preset_without_a_header_is_named(root: Path) -> None:
    (root / "presets/mine.yaml").write_text("data:\n")
    with pytest.raises(InputError, match=r"mine.yaml: must begin with"):
        presets.list_presets(root)


def test_outside_a_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no presets here"):
        presets.use(tmp_path, "digits")
