"""Read a sound file: check its header, decode it within limits, mix it down, and resample it."""

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float32Array
from pipeline.media.audio.file_types import explain_unknown
from pipeline.media.audio.settings import AudioLimits
from pipeline.media.codec import BadItem

SLOWEST, FASTEST = 1000, 768_000
"""Sample rates that are believed, in hertz."""
LOUDEST = 16.0
"""Largest value of a file of floats, whose full scale is 1."""
UNKNOWN_LENGTH = 2**40
"""Frames from which a header does not state the length: the file was written as a stream."""
BLOCK = 2**16
CANCELLED = 0.01
"""Energy of the mix over that of the channels below which the channels cancel out."""
ENDLESS = (0, 0xFFFFFFFF)
"""Sizes that a WAV header states while its end is not known."""
LAST_FRAMES = 2304
"""Samples by which the header of an MP3 file and its content may differ: two frames."""


@dataclass(frozen=True)
class Recording:
    """A decoded file, mixed down to one channel.

    Attributes:
        wave: float32 [n] at `rate`.
        rate: Samples a second, as the file states them.
        kind: Format and sample type, such as "WAV PCM_16".
        peak: Largest absolute value, of full scale, before mixing.
    """

    wave: Float32Array
    rate: int
    channels: int
    kind: str
    peak: float

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.wave) / self.rate


def read_recording(data: bytes, limits: AudioLimits) -> Recording:
    """Decode a file. Raises BadItem with the reason if it cannot be used."""
    import soundfile

    with open_recording(data) as file:
        check_header(file, limits)
        try:
            recording = decode(file, limits)
            check_end(file, len(recording.wave), data)
            return recording
        except BadItem:
            raise
        except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
            raise BadItem(f"damaged: {one_line(error)}") from None


def open_recording(data: bytes) -> Any:
    """Open a file. Raises BadItem with the reason if it is no sound file."""
    import soundfile

    if not data:
        raise BadItem("an empty file")
    check_size(data)
    data = check_riff(data)
    try:
        return soundfile.SoundFile(io.BytesIO(data))
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise BadItem(explain_unknown(data, str(error))) from None


def count_samples(data: bytes) -> int:
    """Return the number of samples of one channel that the header of a file states. Raises BadItem."""
    with open_recording(data) as file:
        return int(file.frames)


def check_riff(data: bytes) -> bytes:
    """Return a file; the header of a WAV file that was written as a stream then states its length.

    Raises BadItem for a WAV file that ends before its samples do. The decoder would return what is left.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    place = 12
    while place + 8 <= len(data):
        name, (size,) = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])
        if name == b"data":
            there = len(data) - place - 8
            if size in ENDLESS:
                return data[: place + 4] + struct.pack("<I", min(there, max(ENDLESS) - 1)) + data[place + 8 :]
            if size > there:
                raise BadItem(f"truncated: its header announces {size:,} bytes of samples, but {there:,} are there")
            return data
        place += 8 + size + size % 2
    return data


def check_size(data: bytes) -> None:
    """Raise BadItem for an AIFF, AU, W64 or RF64 file that is shorter than its header states.

    The decoder would return what is left. Sizes of streams, whose end was not known, are ignored.
    """
    for magic, place, kind, added in (
        (b"FORM", 4, ">I", 8),
        (b".snd", 8, ">I", int.from_bytes(data[4:8], "big")),
        (b"riff\x2e\x91\xcf\x11", 16, "<Q", 0),
        (b"RF64", 20, "<Q", 8),
    ):
        if data.startswith(magic) and len(data) >= place + struct.calcsize(kind):
            (size,) = struct.unpack_from(kind, data, place)
            unknown = size == 0 or size >= (2**31 - 2**12 if kind == ">I" else 2**62)
            if not unknown and size + added > len(data):
                raise BadItem(f"truncated: its header announces {size + added:,} bytes, but {len(data):,} are there")


def check_header(file: Any, limits: AudioLimits) -> None:
    """Raise BadItem if the header of an opened file shows that it cannot be used."""
    if not SLOWEST <= file.samplerate <= FASTEST:
        raise BadItem(
            f"its header states a sample rate of {file.samplerate:,} Hz; rates from {SLOWEST:,} to {FASTEST:,} Hz are "
            "read"
        )
    if file.channels > limits.channels:
        raise BadItem(f"{file.channels} channels, over data.limits.channels {limits.channels}")
    if file.frames < UNKNOWN_LENGTH:
        check_length(file.frames, file, limits)


def check_length(frames: int, file: Any, limits: AudioLimits) -> None:
    """Raise BadItem if so many frames exceed a limit."""
    if frames > limits.seconds * file.samplerate:
        raise BadItem(f"{frames / file.samplerate:.6g} seconds, over data.limits.seconds {limits.seconds:g}")
    if frames * file.channels > limits.samples:
        raise BadItem(f"{frames * file.channels:,} samples, over data.limits.samples {limits.samples:,}")


def decode(file: Any, limits: AudioLimits) -> Recording:
    """Decode an opened file block by block, so that a header that states a wrong length does no harm."""
    mixed: list[Float32Array] = []
    frames, peak, separate, together = 0, 0.0, 0.0, 0.0
    while True:
        block = file.read(BLOCK, dtype="float32", always_2d=True)  # [time, channels]
        if not len(block):
            break
        frames += len(block)
        check_length(frames, file, limits)
        if not np.isfinite(block).all():
            raise BadItem("contains samples that are not finite (NaN or infinity)")
        peak = max(peak, float(np.abs(block).max()))
        if peak > LOUDEST:
            raise BadItem(f"values up to {peak:.4g}, where full scale is 1: scale them to -1 .. 1")
        one = block.mean(axis=1, dtype=np.float32)
        separate += float(np.square(block, dtype=np.float64).mean(axis=1).sum())
        together += float(np.square(one, dtype=np.float64).sum())
        mixed.append(one)
    if not frames:
        raise BadItem("contains no samples")
    if together < CANCELLED * separate:
        raise BadItem("its channels cancel out when they are mixed (opposite phase): invert one, or keep one alone")
    kind = f"{file.format} {file.subtype}"
    return Recording(np.concatenate(mixed), int(file.samplerate), int(file.channels), kind, peak)


def check_end(file: Any, frames: int, data: bytes) -> None:
    """Raise BadItem if a decoded file holds fewer samples than its header states; most MP3 files only estimate it."""
    exact = file.format == "FLAC"
    if file.format == "MP3":
        exact = (b"Xing" in data or b"Info" in data) and frames + LAST_FRAMES < file.frames
    if exact and frames < file.frames < UNKNOWN_LENGTH:
        raise BadItem(f"truncated: its header announces {file.frames:,} samples, but only {frames:,} are there")


def resample(wave: Float32Array, rate: int, target: int) -> Float32Array:
    """Return a wave [n] at another sample rate, by soxr's high-quality filter over the whole of it."""
    if rate == target:
        return wave
    import soxr

    resampled: Float32Array = soxr.resample(wave, rate, target, quality="HQ").astype(np.float32)
    return resampled


def one_line(error: Exception) -> str:
    """Return the text of an error as one short line."""
    return " ".join(str(error).split())[:120]
