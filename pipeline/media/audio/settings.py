"""Settings of `data:` for audio."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.items import DataLayout
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.settings import DataSettings, Limits

SMALLEST, LARGEST = 4, 1024
"""Bounds of a picture's sides: mel bands, and columns."""


class AudioLimits(Limits):
    """The longest recording that is accepted."""

    seconds: float = Field(1800, gt=0, description="length of a recording; longer ones are set aside")
    samples: int = Field(200_000_000, ge=1, description="samples of all channels of a recording")
    channels: int = Field(8, ge=1, le=1024, description="channels of a recording, which are mixed down to one")


class AudioSettings(DataSettings):
    """How recordings become log-mel pictures or waves of one size."""

    medium: Literal["audio"] = Field("audio", description="what one item is")
    source: str = Field(
        "tones",
        min_length=1,
        description="tones | a folder | a .zip, .tar(.gz), .parquet or .csv | s3://...",
    )
    representation: Literal["mel", "wave"] = Field(
        "mel",
        description="how an item is stored: mel: a log-mel picture; wave: its samples, of 16 bits, for variants that "
        "make raw waves",
    )
    sample_rate: int = Field(
        8000, ge=1000, le=192_000, description="samples a second; recordings of other rates are resampled"
    )
    seconds: float = Field(
        0.512, gt=0, le=60, description="length of an item; shorter recordings are padded with silence at the end"
    )
    long: Literal["cut", "first"] = Field(
        "cut",
        description="what longer recordings become: cut: items that follow each other; first: one item from the start",
    )
    trim: float | None = Field(
        None,
        gt=0,
        le=120,
        description="remove start and end that stay so many decibels below the peak; null keeps them",
    )
    peak: float | None = Field(
        0.95, gt=0, le=1, description="largest value that each recording is scaled to; null keeps its level"
    )
    mels: int = Field(32, ge=SMALLEST, le=LARGEST, description="mel bands: the height of an item as networks see it")
    hop: int = Field(
        128, ge=1, description="samples between two columns; the width of an item is seconds x sample_rate / hop"
    )
    window: int = Field(256, ge=4, description="samples of a Fourier transform, an even multiple of hop")
    low_hz: float = Field(0, ge=0, description="lower end of the mel scale (HTK; filters of equal weight)")
    high_hz: float | None = Field(None, gt=0, description="upper end; null: half of sample_rate")
    floor_db: float = Field(-80, ge=-160, le=-10, description="level below a sine at full scale that counts as silence")
    pairs: Literal["none"] = Field("none", description="how pairs A and B are formed: none")
    limits: AudioLimits = Field(AudioLimits(), description="longest recording that is accepted")

    @model_validator(mode="after")
    def possible_picture(self) -> "AudioSettings":
        if self.window % (2 * self.hop):
            raise ValueError(
                f"window {self.window} with hop {self.hop}: a window must hold an even number of hops; set window: "
                f"{2 * self.hop}, or {4 * self.hop}"
            )
        columns = self.seconds * self.sample_rate / self.hop
        if abs(columns - round(columns)) > 1e-6 or not SMALLEST <= round(columns) <= LARGEST:
            near = min(max(round(columns), SMALLEST), LARGEST)
            raise ValueError(
                f"seconds {self.seconds:g} at sample_rate {self.sample_rate} and hop {self.hop}: an item would have "
                f"{columns:.6g} columns, but must have a whole number from {SMALLEST} to {LARGEST}; "
                f"set seconds: {near * self.hop / self.sample_rate:.10g}"
            )
        nyquist = self.sample_rate / 2
        if not self.low_hz < self.top_hz <= nyquist:
            raise ValueError(
                f"low_hz {self.low_hz:g} and high_hz {self.top_hz:g}: the ends of the mel scale must lie in this order "
                f"between 0 and half of sample_rate, {nyquist:g}"
            )
        return self

    @property
    def top_hz(self) -> float:
        """Upper end of the mel scale."""
        return self.sample_rate / 2 if self.high_hz is None else self.high_hz

    @property
    def codec(self) -> MelCodec:
        """How waves become pictures, and back."""
        return MelCodec(
            sample_rate=self.sample_rate,
            window=self.window,
            hop=self.hop,
            mels=self.mels,
            frames=round(self.seconds * self.sample_rate / self.hop),
            low_hz=self.low_hz,
            high_hz=self.top_hz,
            floor_db=self.floor_db,
        )

    def layout(self) -> DataLayout:
        if self.representation == "wave":
            return DataLayout(
                height=1,
                width=self.codec.samples,
                classes=self.classes,
                dtype="int16",
                size_keys="data.representation wave: seconds x sample_rate",
            )
        return DataLayout(
            height=self.mels,
            width=self.codec.frames,
            classes=self.classes,
            size_keys="data.mels by seconds x sample_rate / hop",
        )
