"""Contradictory settings are rejected when the parameters are read, and the message names both keys."""

import pytest

from pipeline import params
from pipeline.errors import InputError

CONTRADICTIONS = [
    (
        "objective: wgan, penalties: {clip: 0.01, r1: 1, every: 16}",
        "penalties.clip with a gradient penalty (r1, r2, gp, dragan)",
    ),
    (
        "objective: wgan, penalties: {clip: 0.01}, stabilisers: {spectral_norm: true}",
        "penalties.clip with stabilisers.spectral_norm",
    ),
    ("objective: hinge, penalties: {clip: 0.01}", "penalties.clip with objective hinge"),
    ("objective: wgan", "objective wgan without a bound on the critic: set penalties.gp: 10"),
    ("penalties: {gp: 10, dragan: 10}", "penalties.gp with penalties.dragan"),
    ("penalties: {gp: 10, r1: 1}", "penalties.r1 or r2 with penalties.gp or dragan"),
    ("penalties: {dragan: 10, r2: {start: 1, end: 0}}", "penalties.r1 or r2 with penalties.gp or dragan"),
    (
        "objective: relativistic, stabilisers: {label_smoothing: 0.1}",
        "stabilisers.label_smoothing with objective relativistic",
    ),
    (
        "stabilisers: {augment: {policy: diffaugment, target: 0.6}}",
        "stabilisers.augment.target with policy diffaugment",
    ),
    (
        "objective: relativistic, stabilisers: {augment: {policy: ada, target: 0.6}}",
        "stabilisers.augment.target with objective relativistic",
    ),
    (
        "stabilisers: {augment: {policy: ada, target: 0.6, probability: {start: 0, end: 1}}}",
        "stabilisers.augment.target with a schedule",
    ),
]


@pytest.mark.parametrize("variant", ["vanilla", "dcgan", "cgan", "stylegan2", "r3gan"])
@pytest.mark.parametrize(("keys", "words"), CONTRADICTIONS, ids=[words for _, words in CONTRADICTIONS])
def test_contradictions_are_rejected_for_every_variant(variant: str, keys: str, words: str) -> None:
    norm = "discriminator_norm: none, " if variant in ("dcgan", "cgan") else ""
    objective = "" if "objective" in keys or variant != "r3gan" else "objective: nonsaturating, "
    bare = "" if "penalties" in keys or variant not in ("r3gan", "stylegan2") else "penalties: {r1: 0, r2: 0}, "
    with pytest.raises(InputError) as error:
        params.parse(f"model: {{variant: {variant}, {norm}{objective}{bare}{keys}}}", "params.yaml")
    assert words in str(error.value)
    assert str(error.value).startswith("params.yaml: model: ")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "variant: dcgan, stabilisers: {spectral_norm: true}",
            "stabilisers.spectral_norm with discriminator_norm batch",
        ),
        ("variant: dcgan, objective: wgan, penalties: {gp: 10}", "penalties.gp with discriminator_norm batch"),
        ("variant: cgan, penalties: {dragan: 10}", "penalties.dragan with discriminator_norm batch"),
        ("variant: cgan, stabilisers: {packing: 2}", "stabilisers.packing with variant cgan"),
        ("variant: r3gan, stabilisers: {spectral_norm: true}", "stabilisers.spectral_norm with variant r3gan"),
        ("variant: r3gan, conditional: true, stabilisers: {packing: 2}", "stabilisers.packing with conditional"),
    ],
)
def test_contradictions_of_a_variant(keys: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        params.parse(f"model: {{{keys}}}", "params.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "keys",
    [
        "objective: wgan, penalties: {clip: 0.01}",
        "objective: wgan, critic_steps: 5, discriminator_norm: none, penalties: {gp: 10}",
        "objective: wgan, discriminator_norm: none, stabilisers: {spectral_norm: true}",
        "objective: hinge, discriminator_norm: none, stabilisers: {spectral_norm: true, minibatch_std: 4, packing: 2}",
        "penalties: {dragan: 10, every: 4}, discriminator_norm: none",
        "objective: lsgan, stabilisers: {label_smoothing: 0.1, instance_noise: {start: 0.1, end: 0}, lecam: 0.3, "
        "top_k: {start: 1, end: 0.5}}",
        "objective: relativistic, penalties: {r1: 1, r2: 1}, "
        "stabilisers: {augment: {policy: ada, probability: {start: 0, end: 0.55}}}",
        "architecture: residual, penalties: {gp: 10}, objective: wgan",
        "stabilisers: {augment: {policy: ada, probability: 0, target: 0.6}}",
    ],
)
def test_valid_combinations(keys: str) -> None:
    params.parse(f"model: {{variant: dcgan, {keys}}}", "params.yaml")
