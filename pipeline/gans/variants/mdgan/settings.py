"""Settings of MD-GAN."""

import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings
from pipeline.settings import ramp


class MDGANSettings(ConvolutionalSettings):
    """MD-GAN (Hardy 2019) on DCGAN's networks: a generator learns from data that stay with their workers.

    `critic_steps` is the paper's L.
    """

    group_key: ClassVar[str] = "model.workers"

    variant: Literal["mdgan"] = "mdgan"
    workers: int = Field(
        4, ge=1, le=1000, description="N: workers, each with its own training items and a discriminator"
    )
    split: Literal["iid", "classes", "own"] = Field(
        "iid",
        description="how the training items are divided among the workers: iid at random, classes by class; own: each "
        "worker has a data set, in data/workers/0 and so on",
    )
    batches: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="k: batches of generated images per step, which workers share; null: floor(log N), at least 1",
    )
    swap_epochs: float = Field(
        1.0, ge=0, le=1000, description="E: epochs after which discriminators move to other workers; 0: never"
    )

    @property
    def group(self) -> int:
        """Items of a batch that cannot be separated: one of each worker."""
        return self.workers

    @property
    def own_data(self) -> int:
        """The number of workers that have data sets of their own."""
        return self.workers if self.split == "own" else 0

    @property
    def generated(self) -> int:
        """The number of generated batches per step, k."""
        return self.batches or max(1, math.floor(math.log(self.workers)))

    @model_validator(mode="after")
    def check_workers(self) -> "MDGANSettings":
        """Raise ValueError for settings that do not apply to this game."""
        if self.batches is not None and self.batches > self.workers:
            raise ValueError(
                f"batches {self.batches} with workers {self.workers}: set batches to at most {self.workers}"
            )
        stabilisers, penalties = self.stabilisers, self.penalties
        unused = {
            "penalties.gp": (penalties.gp > 0, "0"),
            "penalties.dragan": (penalties.dragan > 0, "0"),
            "penalties.clip": (penalties.clip > 0, "0"),
            "stabilisers.instance_noise": (stabilisers.instance_noise.ever, "0"),
            "stabilisers.packing": (stabilisers.packing > 1, "1"),
            "stabilisers.lecam": (stabilisers.lecam > 0, "0"),
            "stabilisers.top_k": (stabilisers.top_k != ramp(1), "1"),
            "stabilisers.augment.policy": (stabilisers.augment.policy != "none", "none"),
        }
        for name, (used, neutral) in unused.items():
            if used:
                raise ValueError(
                    f"{name} with variant mdgan: its workers do not have it. Set {name}: {neutral}, or choose another "
                    "variant"
                )
        return self
