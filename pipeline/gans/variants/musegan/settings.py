"""Settings of MuseGAN."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import NonNegative, Penalties
from pipeline.gans.variants.settings import Objective
from pipeline.items import DataLayout
from pipeline.settings import ramp


class PieceSettings(AdversarialSettings):
    """Shared networks and networks of each voice or track, small enough for a CPU."""

    categorical: ClassVar[bool] = True
    latent: int = Field(64, ge=1, le=4096, description="length of z")
    shared: int = Field(320, ge=4, le=8192, description="width of the shared network")
    depth: int = Field(2, ge=1, le=8, description="hidden layers of the shared network; temporal: layers over time")
    private: int = Field(128, ge=4, le=8192, description="width of the network of each voice; temporal: of each step")
    voices: Literal["at_once", "in_turn"] = Field(
        "at_once",
        description="networks temporal: in_turn: each voice or track of a step hears the notes of those before it, in "
        "the order of the data; at_once: none does",
    )
    choice: Literal["argmax", "gumbel"] = Field(
        "argmax",
        description="how notes are chosen: argmax: the likeliest, or what is likelier on than off; gumbel: drawn by "
        "their probability, by noise that is a part of z (one value for each symbol, step and voice; for each pitch of "
        "a track)",
    )
    temperature: float = Field(1.0, gt=0, le=10, description="of the softmax that passes the gradients")
    draw_temperature: float = Field(
        1.0,
        ge=0,
        le=2,
        description="scale of the noise of choice gumbel in samples: below 1 they have fewer unlikely notes; training "
        "always draws with 1",
    )
    pretraining: float = Field(
        0.0,
        ge=0,
        le=1,
        description="networks temporal: fraction of the training that only raises the likelihood of real pieces; then "
        "the game starts",
    )
    likelihood: NonNegative = Field(
        ramp(0), description="networks temporal: weight of the likelihood of real pieces during the game"
    )
    objective: Objective = Field("relativistic", description="adversarial loss")
    penalties: Penalties = Field(
        Penalties(r1=ramp(0.5), r2=ramp(0.5)), description="gradient penalties of the discriminator"
    )

    @model_validator(mode="after")
    def check_packing(self) -> "PieceSettings":
        """Raise ValueError for packing: the streams of the discriminator are those of one piece."""
        if self.stabilisers.packing > 1:
            raise ValueError(
                f"stabilisers.packing with variant {self.variant}: its discriminator takes single pieces. Set "
                "packing: 1"
            )
        return self

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Accept any number of steps and voices."""

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError for data that are no categories."""
        super().check_data(data)
        if not data.symbols:
            raise ValueError(
                f"data.medium: variant {self.variant} makes symbols, such as pitches; set data.medium: music"
            )


class MuseGANSettings(PieceSettings):
    """MuseGAN (Dong 2018): pieces of music from noise."""

    variant: Literal["musegan"] = "musegan"
    conditional: bool = Field(False, description="condition both networks on the classes of the data")
    networks: Literal["dense", "temporal"] = Field(
        "dense",
        description="dense: fully connected over all steps; temporal: one network for each voice and step of a piece, "
        "the same at all steps, and layers over neighbouring steps; each step hears the notes before it",
    )

    @model_validator(mode="after")
    def check_voices(self) -> "MuseGANSettings":
        """Raise ValueError for voices in turn of networks that make all steps at once."""
        if self.voices == "in_turn" and self.networks != "temporal":
            raise ValueError("voices in_turn: only networks temporal choose notes one by one. Set networks: temporal")
        if (self.pretraining > 0 or self.likelihood.ever) and self.networks != "temporal":
            raise ValueError(
                "pretraining and likelihood: only networks temporal have a likelihood. Set networks: temporal"
            )
        return self
