"""Audio: the medium's contract, answered for recordings that are stored as log-mel pictures or as waves."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.audio import validation
from pipeline.media.audio.appearance import APPEARANCE, PROFILE_MEASURES
from pipeline.media.audio.mel_codec import SOUND, MelCodec
from pipeline.media.audio.profiles import profiles
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.similarities import SIMILARITIES, best_gate
from pipeline.media.audio.statistics import statistics
from pipeline.media.audio.waves import is_wave, picture_spec, pictures_of, read_waves, to_picture, wave_spec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import Encoded, Fact, Item, TransformInput

if TYPE_CHECKING:
    import onnx
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float32Array, Float64Array, Items
    from pipeline.measure import Measure
    from pipeline.media.alteration import Alteration
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation


class AudioMedium(Medium):
    """Recordings as log-mel pictures, uint8 [mels, frames, 1], or as waves, int16 [1, samples, 1].

    The first row of a picture holds the lowest frequencies. Waves are measured by their pictures.
    """

    name = "audio"
    noun = "clip"
    file_types = "WAV, FLAC, OGG, MP3, AIFF, ..."
    example_file = "clip.wav"
    suffixes = frozenset(
        {".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"}
        | {".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
    )
    formats = {".wav": "audio/wav", ".flac": "audio/flac"}  # noqa: RUF012
    Settings = AudioSettings
    Validation = validation.AudioValidation
    facts = (
        Fact("rate", "int32"),
        Fact("rate_share", "float64"),
        Fact("channels", "int32"),
        Fact("kind", "string"),
        Fact("duration", "float64"),
        Fact("start", "float64"),
        Fact("padded_share", "float64"),
        Fact("level_db", "float64"),
        Fact("peak", "float64"),
        Fact("offset", "float64"),
        Fact("clipped_share", "float64"),
    )
    transforms = True
    transformable = "data.representation: wave"
    similarities = SIMILARITIES
    sources = ("tones",)
    augmentations = frozenset({"diffaugment"})
    input = "mel"
    output = "mels"

    def input_name(self, spec: ItemSpec) -> str:
        """Return "mel" or "wave"."""
        return "wave" if is_wave(spec) else self.input

    def output_name(self, spec: ItemSpec) -> str:
        """Return "mels" or "waves"."""
        return "waves" if is_wave(spec) else self.output

    def spec(self, settings: AudioSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return pictures of data.mels rows, or waves; `details` holds what turns one into the other."""
        codec = settings.codec
        if settings.representation == "wave":
            details = codec.details() | {"mels": codec.mels}
            size = {"height": 1, "width": codec.samples, "channels": 1}
            return ItemSpec(medium=self.name, **size, dtype="int16", classes=classes, details=dict(details))
        return ItemSpec(
            medium=self.name,
            height=codec.mels,
            width=codec.frames,
            channels=1,
            classes=classes,
            details=dict(codec.details()),
        )

    def extent(self, height: int, width: int) -> str:
        """Return the size of the picture, or the length of the wave."""
        if height == 1:
            return f"{width:,} samples"
        return f"{height} mel bands x {width} columns"

    def decode(self, data: bytes, settings: AudioSettings) -> Iterator[Item]:
        """Yield the items of a recording; a long one has several."""
        from pipeline.media.audio.cuts import cut_items
        from pipeline.media.audio.sound_file import read_recording

        yield from cut_items(read_recording(data, settings.limits), settings)

    def suitable_augmentations(self, settings: AudioSettings) -> frozenset[str]:
        """Return policies for pictures; brightness and holes mean nothing to a wave."""
        return frozenset() if settings.representation == "wave" else self.augmentations

    def transforms_items(self, settings: AudioSettings) -> bool:
        """Return whether items are waves."""
        return settings.representation == "wave"

    def baseline(self, given: Items, originals: Items, spec: ItemSpec) -> Items:
        """Return noisy waves after a spectral gate."""
        return best_gate(given, originals, spec)

    def encoded_size(self, data: bytes) -> tuple[int, int]:
        """Return 1 and the number of samples from the header."""
        from pipeline.media.audio.sound_file import count_samples

        return 1, count_samples(data)

    def decode_one(self, data: bytes, spec: ItemSpec, *, own_size: bool, largest: int) -> TransformInput:
        """Decode a recording of any length as one wave at the model's sample rate."""
        from pipeline.media.audio.transformation import read_wave

        return read_wave(data, spec, largest)

    def encode_result(
        self,
        values: Items,
        spec: ItemSpec,
        source: TransformInput,
        suffix: str | None = None,
        *,
        quality: int | None = None,
        keeps_colours: bool = False,
    ) -> Encoded:
        """Return the result at the level of its source."""
        from pipeline.media.audio.transformation import undo_level

        file = self.encode(undo_level(values, source), spec, suffix)
        return replace(file, losses=(*source.losses, *file.losses))

    def waves(self, items: Items, spec: ItemSpec) -> Float32Array:
        """Return the waves of items [n, H, W, 1], float32 [n, samples]."""
        if is_wave(spec):
            return read_waves(items)
        return MelCodec.of(spec).decode(items[..., 0].astype(np.float32) / 255)

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return a WAV or FLAC file of 16 bits; a picture gets its phases from Griffin-Lim, always the same."""
        from pipeline.media.audio.sound_writer import write_sound

        suffix = suffix or next(iter(self.formats))
        wave = self.waves(values[None], spec)[0]
        data, losses = write_sound(wave, MelCodec.of(spec).sample_rate, suffix)
        return Encoded(data, self.formats[suffix], suffix, losses)

    def sound(self, spec: ItemSpec) -> tuple[str, ItemSpec]:
        """Return the name and the spec of waves."""
        if is_wave(spec):
            raise InputError("export.vocoder: these clips are waves, which need no vocoder; set it to null")
        return SOUND, wave_spec(spec)

    def measured(self, items: Items, spec: ItemSpec, wanted: ItemSpec) -> Items:
        """Return the pictures of waves."""
        return items if is_wave(wanted) else pictures_of(items, spec)

    def reread(self, items: Items, spec: ItemSpec) -> Items | None:
        """Return the pictures of the items' sounds: no sound has exactly the picture that a generator draws."""
        return None if is_wave(spec) else to_picture(self.waves(items, spec), MelCodec.of(spec))

    def join(self, batch: Items, spec: ItemSpec) -> tuple[Items, ItemSpec]:
        """Return the clips one after another."""
        joined = np.ascontiguousarray(np.concatenate(list(batch), axis=1))
        return joined, spec.model_copy(update={"width": joined.shape[1]})

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the spectrograms on one sheet: time to the right, frequency upwards, loud is light."""
        from pipeline.media.audio.spectrogram import colour
        from pipeline.media.sheet import grid

        return grid(colour(pictures_of(batch, spec)), columns, cell)

    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return a player with the spectrogram above it."""
        from pipeline.media.pictures import encode_picture

        sound = self.encode(values, spec)
        picture = encode_picture(self.preview(values[None], spec, 1, 128), ".png")
        return (
            f'<span class="clip"><img class="small" alt="spectrogram" src="{data_uri("image/png", picture)}">'
            f'<audio controls src="{data_uri(sound.mime_type, sound.data)}"></audio></span>'
        )

    def further_outputs(self, spec: ItemSpec) -> Mapping[str, str]:
        """Return the wave."""
        rate = MelCodec.of(spec).sample_rate
        return {SOUND: f"the {self.noun}s as sound: one channel of {rate:,} samples a second, full scale is 1"}

    def extend_graph(self, model: onnx.ModelProto, spec: ItemSpec) -> None:
        """Add the wave; to pictures, by Griffin-Lim."""
        from pipeline.media.audio.sound_graph import add_clipped, add_sound

        add = add_clipped if is_wave(spec) else add_sound
        add(model, MelCodec.of(spec), self.output_name(spec))

    def compute_outputs(self, values: Float32Array, spec: ItemSpec) -> Mapping[str, Float32Array]:
        """Return the waves [n, 1, samples] of pictures [n, 1, mels, frames] or waves [n, 1, 1, samples], in -1 .. 1."""
        if is_wave(spec):
            return {SOUND: np.clip(values[:, :, 0], -1, 1)}
        pictures = np.clip(values[:, 0] / 2 + np.float32(0.5), 0, 1)
        return {SOUND: MelCodec.of(spec).decode(pictures)[:, None]}

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of `statistics` and of `profiles`."""
        return (*APPEARANCE, *PROFILE_MEASURES)

    def alterations(self, spec: ItemSpec) -> Sequence[Alteration]:
        """Return two clips in one."""
        from pipeline.media.alteration import Alteration, mix_neighbours

        return [Alteration("like two clips in one", "unreal", mix_neighbours)]

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return loudness, brightness, noisiness and dynamics of each item."""
        return statistics(pictures_of(values, spec), picture_spec(spec))

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return the mean spectrum, the course over time, and the mean picture."""
        return profiles(spec)

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part, which shows waves to feature extractors as pictures."""
        from pipeline.media.audio.tensors import WaveTensors
        from pipeline.media.tensors import Tensors

        return WaveTensors(spec) if is_wave(spec) else Tensors(spec)

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open the tones."""
        if name != "tones":
            return None
        from pipeline.media.audio.tones import Tones

        return Tones()

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return the silent items."""
        return validation.defects(items, settings)

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return the expectations on levels, sample rates and padding."""
        return validation.expectations(items, settings)

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return the mean padding and level of the accepted items."""
        return validation.measurements(accepted)


def data_uri(mime_type: str, data: bytes) -> str:
    """Return a file as a data URI."""
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"
