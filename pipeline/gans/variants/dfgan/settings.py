"""Settings of DF-GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.settings import Settings


class TextSettings(Settings):
    """A text encoder of the user's. It does not change; the layer after it learns."""

    encoder: str | None = Field(
        None,
        min_length=1,
        description="ONNX file of a text encoder, which stays frozen; null: a small encoder learns from the captions",
    )
    tokenizer: str | None = Field(
        None, min_length=1, description="its tokenizer.json, or a plain vocabulary of one word a line"
    )

    @model_validator(mode="after")
    def check_both(self) -> "TextSettings":
        """Raise ValueError for one file without the other."""
        if (self.encoder is None) != (self.tokenizer is None):
            missing = "tokenizer" if self.tokenizer is None else "encoder"
            raise ValueError(f"text.{missing} is missing: an encoder and its tokenizer belong together")
        return self


class DFGANSettings(AdversarialSettings):
    """DF-GAN (Tao 2022): images from a text."""

    variant: Literal["dfgan"] = "dfgan"
    generator_channels: int = Field(
        32, ge=4, le=2048, description="generator channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        32, ge=4, le=2048, description="discriminator channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(256, ge=4, le=4096, description="maximum channels of a layer")
    text: TextSettings = Field(TextSettings(), description="an encoder of your own; paths are relative to params.yaml")
    text_width: int = Field(48, ge=4, le=1024, description="length of the embedding of a caption")
    text_steps: int = Field(
        400, ge=1, le=1_000_000, description="updates of the text encoder, or of the layer after yours, before the game"
    )

    @property
    def text_encoder(self) -> tuple[str, str] | None:
        """The files of a user's text encoder and of its tokenizer; None without one."""
        files = self.text.encoder, self.text.tokenizer
        return (files[0], files[1]) if files[0] and files[1] else None

    @model_validator(mode="after")
    def check_matching(self) -> "DFGANSettings":
        """Raise ValueError for packs, which have no single caption, and for objectives that compare pairs."""
        if self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant dfgan: a pack of images has no single caption. Set packing: 1"
            )
        if self.objective == "relativistic":
            raise ValueError(
                "objective relativistic with variant dfgan: it compares real with generated images, and has no place "
                "for images with the caption of another. Set objective: nonsaturating or hinge"
            )
        return self
