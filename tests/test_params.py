"""params.yaml: errors name the path of the key and the nearest valid key."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import params
from pipeline.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trian: 1", "trian: unknown key; did you mean `train`?"),
        ("train: {batchsize: 4}", "train.batchsize: unknown key; did you mean `batch_size`?"),
        ("data: {limits: {pixel: 3}}", "data.limits.pixel: unknown key; did you mean `pixels`?"),
        ("model: {variant: dcgan, penalties: {R1: 3}}", "model.penalties.R1: unknown key; did you mean `r1`?"),
        ("export: {zzzzzz: 3}", "export.zzzzzz: unknown key; known keys: "),
        ("data: {resolution: 12}", "data.resolution 12 x 12: variant dcgan needs squares whose side is a power of two"),
        ("data: {resolution: 512}", "takes at most 256"),
        ("train: {batch_size: 1}", "train.batch_size: Input should be greater than or equal to 2 (got 1)"),
        ("train: {batch_size: many}", "train.batch_size: Input should be a valid integer"),
        ("train: {learning_rate: {generator: .inf}}", "train.learning_rate.generator"),
        ("train: {device: tpu}", "train.device: Input should be 'auto', 'cpu', 'cuda' or 'mps' (got 'tpu')"),
        ("model: {variant: dcgna}", "model.variant: there is no variant 'dcgna'; did you mean `dcgan`?"),
        ("model: {latent: 8}", "model.variant: missing"),
        ("model: {variant: cgan, label_wdth: 8}", "model.label_wdth: unknown key; did you mean `label_width`?"),
        (
            "model: {variant: dcgan, penalties: {r1: a}}",
            "model.penalties.r1: must be a number, or {start: number, end: number} (got 'a')",
        ),
        (
            "model: {variant: dcgan, penalties: {r1: {strat: 1, end: 2}}}",
            "model.penalties.r1.strat: unknown key; did you mean `start`?",
        ),
        (
            "train: {learning_rate: {generator: {start: 3, end: 1}}}",
            "train.learning_rate.generator: must be from 1e-09 to 1",
        ),
        (
            "model: {variant: dcgan, stabilisers: {packing: 3}}\ntrain: {batch_size: 64}",
            "train.batch_size 64 is not a multiple of model.stabilisers.packing",
        ),
        (
            "model: {variant: dcgan, stabilisers: {packing: 4}}\ntrain: {batch_size: 64, micro_batch: 2}",
            "train.micro_batch 2 is not a multiple of model.stabilisers.packing",
        ),
        (
            "model: {variant: srgan, scale: 8}\ndata: {resolution: 32}",
            "data.resolution 32: variant srgan takes at least 64",
        ),
        (
            "model: {variant: srgan}\ndata: {resolution: 64}\nevaluate: {gate: {fid: 3}}",
            "evaluate.gate.fid: unknown key; tests of this variant's task: added_power",
        ),
        ("evaluate: {gate: {gain: 1}}", "evaluate.gate.gain: unknown key; tests of this variant's task: appearance"),
        (
            "evaluate: {gate: {task: restore}}",
            "evaluate.gate.task: unknown key; tests of this variant's task: appearance",
        ),
        (
            "model: {variant: denoise}\nevaluate: {gate: {gain: 1, textur: 2}}",
            "evaluate.gate.textur: unknown key; did you mean `texture`?",
        ),
        ("evaluate: {gate: {fid_ratoi: 1}}", "evaluate.gate.fid_ratoi: unknown key; did you mean `fid_ratio`?"),
        ("evaluate: {gate: {fid_ratio: -1}}", "evaluate.gate.fid_ratio: Input should be greater than 0"),
        ("data: {fit: keep}", "data.fit keep: variant dcgan makes items of one size"),
        (
            "model: {variant: denoise, noise: {gausian: [0, 50]}}",
            "model.noise.gausian: unknown key; did you mean `gaussian`?",
        ),
        ("train: {micro_batch: 0}", "train.micro_batch: must be auto, null, or a number of images from 2 (got 0)"),
        ("train: {log_images: 0}", "train.log_images: must be auto, or a number of images from 1 (got 0)"),
        ("train: {health: {images: 2.5}}", "train.health.images: must be auto, null, or a number of images from 1"),
        ("train: {batch_size: 64, micro_batch: 24}", "train: micro_batch 24 does not divide batch_size 64"),
        ("data: {background: white}", "data.background"),
        ("tracking: {model: a/b}", "tracking.model"),
        ("tracking: {model: ada@home}", "tracking.model"),
        ('tracking: {model: "ada\'s"}', "tracking.model"),
        ("train: {seed: 9223372036854775808}", "train.seed: Input should be less than or equal to 4611686018427387904"),
        ("evaluate: {seed: 9223372036854775808}", "evaluate.seed: Input should be less than or equal to"),
        ("data: {seed: 9223372036854775808}", "data.seed: Input should be less than or equal to"),
        (
            "model: {variant: denoise}\npromote: {floors: {recall: 0.4}}",
            "promote.floors.recall: unknown key; this variant's task has no such setting; delete the key",
        ),
        (
            "train: {health: {calmer: 0.5}}",
            "train.health.calmer: renamed to `train.health.learning_rate_factor`; see CHANGELOG.md",
        ),
        (
            "train: {health: {limits: {fall: 0.5}}}",
            "train.health.limits.fall: renamed to `train.health.limits.diversity_drop`",
        ),
        ("train:", "train: must be a section with keys (got None); delete the line to use the defaults"),
        ("evaluate: {gate: 3}", "evaluate.gate: must be a section with keys (got 3)"),
        ("a: [", "line 1: not valid YAML"),
        ("train: {seed: 1}\ntrain: {seed: 2}", "line 2: not valid YAML: found duplicate key"),
        ("- 1", "the top level must be keys"),
        ("seed: !!python/object/apply:os.system [ls]", "params.yaml"),
        ("\0", "not valid YAML"),
    ],
)
def test_invalid_text_is_an_input_error(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        params.parse(text, "params.yaml")
    assert words in str(error.value)
    assert all(line.startswith("params.yaml") for line in str(error.value).splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("total_images: 80000", (4_000, 10_000, 10_000, 1_000)),
        ("total_images: 400000", (20_000, 50_000, 50_000, 5_000)),
        ("total_images: 5000000", (20_000, 100_000, 100_000, 5_000)),
        ("total_images: 10", (1, 1, 1, 1)),
        ("total_images: 80000, schedule_images: 400000", (20_000, 50_000, 50_000, 5_000)),
        (
            "total_images: 80000, health: {images: 7}, snapshot_images: 8, checkpoint_images: 9, log_images: 6",
            (7, 8, 9, 6),
        ),
        ("total_images: 80000, health: {images: null}", (None, 10_000, 10_000, 1_000)),
    ],
)
def test_intervals_follow_the_length_of_the_training(text: str, expected: tuple[int | None, ...]) -> None:
    assert params.parse(f"train: {{{text}}}", "params.yaml").train.intervals == expected


def test_null_disables_the_health_checks() -> None:
    settings = params.parse("train: {health: null}", "params.yaml").train
    assert settings.health.images is None
    assert settings == params.parse("train: {health: {images: null}}", "params.yaml").train


@pytest.mark.parametrize(
    ("sides", "text", "words"),
    [
        (
            "",
            "data: {pairs: halves}",
            "data.pairs: variant dcgan does not use pairs; set data.pairs: none",
        ),
        (
            "paired",
            "",
            "data.pairs none: variant dcgan needs pairs A and B; set data.pairs: halves, folders or outline",
        ),
        ("domains", "data: {pairs: folders}", "data.pairs: variant dcgan does not use pairs"),
        (
            "domains",
            "data: {classes: [a, b, c]}",
            "data.classes: variant dcgan needs two domains, but 3 are named: name two",
        ),
        ("domains", "data: {fit: keep}", "data.fit keep: variant dcgan makes items of one size"),
        (
            "paired",
            "data: {pairs: outline, fit: keep}",
            "data: pairs outline with fit keep: pairs are made of one size",
        ),
        (
            "paired",
            "data: {pairs: folders, classes: [a, b, c]}",
            "data: pairs folders with 3 names in classes: name the two folders",
        ),
        ("", "data: {classes: [a, b, a]}", "data.classes: 'a' is named twice"),
        ("", "data: {classes: []}", "data.classes"),
        ("", "data: {classes: horse}", "data.classes"),
        (
            "",
            "data: {pairs: folder}",
            "data.pairs: Input should be 'none', 'halves', 'folders' or 'outline' (got 'folder')",
        ),
        ("paired", "data: {pairs: outline}", ""),
        ("paired", "data: {pairs: folders, classes: [b, a]}", ""),
        ("domains", "data: {classes: [horse, deer]}", ""),
        ("domains", "", ""),
        ("", "data: {classes: [7, '1']}", ""),
    ],
)
def test_pairs_and_domains_must_suit_the_variant(
    monkeypatch: pytest.MonkeyPatch, sides: str, text: str, words: str
) -> None:
    from pipeline.gans.variants.dcgan.settings import DCGANSettings

    monkeypatch.setattr(DCGANSettings, "sides", sides)
    if not words:
        assert params.parse(text, "params.yaml").data.classes in (None, ("b", "a"), ("horse", "deer"), ("7", "1"))
        return
    with pytest.raises(InputError) as error:
        params.parse(text, "params.yaml")
    assert words in str(error.value)


def test_the_error_lists_variants_that_learn_from_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.gans.variants.cgan.settings import CGANSettings

    monkeypatch.setattr(CGANSettings, "sides", "paired")
    with pytest.raises(InputError, match=r"or choose a variant that does \(cgan"):
        params.parse("data: {pairs: halves}", "params.yaml")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(InputError) as error:
        params.parse("train: {batch_size: 0, bta1: 2}\ndata: {channels: cmyk}", "p")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(("old", "new"), params.RENAMED.items())
def test_renamed_keys_exist_under_the_new_name_and_are_in_the_changelog(old: str, new: str) -> None:
    values: dict[str, object] = params.parse("", "p").model_dump(by_alias=True)
    for part in new.split("."):
        assert isinstance(values, dict)
        values = values[part]  # type: ignore[assignment]
    assert f"| `{old}` | `{new}` |" in (ROOT / "CHANGELOG.md").read_text()


def test_an_empty_file_has_the_defaults() -> None:
    assert params.parse("{}", "p") == params.parse("", "p") == params.parse("# only a comment\n", "p")


def test_settings_are_immutable() -> None:
    with pytest.raises(Exception, match="frozen"):
        params.parse("", "p").train.seed = 3  # type: ignore[misc]


def test_scientific_notation() -> None:
    assert params.parse("train: {learning_rate: {generator: 1e-3}}", "p").train.learning_rate.generator.at(0.5) == 1e-3


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; run ganline from the project's root"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="cannot be read"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "path", [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))], ids=lambda path: path.name
)
def test_shipped_files_are_valid(path: Path) -> None:
    params.load(path)


@given(st.text(max_size=60))
def test_any_text_is_settings_or_an_input_error(text: str) -> None:
    assert is_valid_or_rejected(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["data", "train", "model", "validate", "evaluate"]),
        st.dictionaries(st.sampled_from(["seed", "source", "fit", "penalties", "gate"]), VALUES),
    )
)
def test_any_values_are_settings_or_an_input_error(values: dict[str, dict[str, object]]) -> None:
    assert is_valid_or_rejected(json.dumps(values))


def is_valid_or_rejected(text: str) -> bool:
    """Whether a text is valid or raises an InputError that names the file."""
    try:
        return isinstance(params.parse(text, "name"), params.Params)
    except InputError as error:
        return str(error).startswith("name")


def test_the_default_gate_is_that_of_the_task() -> None:
    from pipeline.media.registry import MEDIA
    from pipeline.tasks.registry import TASKS
    from tests.gates import GateSettings

    restoration_gate: Any = TASKS["restore"].gate(MEDIA["image"])
    restoring = params.parse("model: {variant: denoise}\nevaluate: {samples: 100}", "x")
    assert restoring.evaluate.gate == restoration_gate()
    assert restoring.evaluate.samples == 100
    assert params.parse(
        "model: {variant: denoise}\nevaluate: {gate: {gain: 3}}", "x"
    ).evaluate.gate == restoration_gate(gain=3)
    assert (
        params.parse("model: {variant: dcgan}", "x").evaluate.gate
        == params.parse("", "x").evaluate.gate
        == GateSettings()
    )
