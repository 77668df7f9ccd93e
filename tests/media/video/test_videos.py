"""Videos by PyAV: frames with their times, colours by range and matrix, sizes, and limits. Skipped without PyAV."""

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import UInt8Array
from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.video import av_file
from pipeline.media.video.animation import target_of
from pipeline.media.video.av_file import read_video, write_video
from tests.media.video.clip_files import numbered

av: Any = pytest.importorskip("av", reason="PyAV is not installed")

VIDEO: Any = MEDIA["video"]
HEIGHT, WIDTH = 32, 48
LUMA = {"ITU601": (0.299, 0.114), "ITU709": (0.2126, 0.0722)}
"""Weights of red and blue in the luma of BT.601 and BT.709."""


def settings(**values: Any) -> Any:
    return VIDEO.Settings(**{"resolution": [HEIGHT, WIDTH], "frames": 2, "resize": "nearest"} | values)


def encode(planes: list[UInt8Array], times: list[float], **tags: int) -> bytes:
    """Return a Matroska file of planes [3, H, W] (YUV 4:4:4) without loss, with a time for each frame in seconds."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=1000)
        stream.height, stream.width, stream.pix_fmt = *planes[0].shape[1:], "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for values, time in zip(planes, times, strict=True):
            frame = av.VideoFrame.from_ndarray(values, format="yuv444p")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            for name, value in tags.items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


def gray(frames: UInt8Array) -> list[UInt8Array]:
    """Return frames [n, H, W, 1] as planes."""
    return [np.stack([frame[..., 0], *[np.full(frame.shape[:2], 128, np.uint8)] * 2]) for frame in frames]


def test_frames_of_a_variable_rate_are_neither_invented_nor_dropped() -> None:
    times = [0.0, 0.1, 0.2, 0.7, 0.8, 1.5]
    data = encode(gray(numbered(6, HEIGHT) + 60), times)  # limited range: 16 is black
    chosen = settings(resolution=HEIGHT)
    clip = read_video(data, "Matroska", chosen, target_of(chosen))
    assert len(clip.frames) == 6
    assert clip.seconds == pytest.approx([0.1, 0.1, 0.5, 0.1, 0.7, 0.1])
    (item,) = VIDEO.decode(data, settings(resolution=HEIGHT, frames=16, frame_rate=10))
    shown = item.values[HEIGHT // 2, HEIGHT // 2]
    assert np.diff(np.flatnonzero(np.diff(shown.astype(int)))).tolist() == [1, 5, 1, 7], "each as long as it stays"


@pytest.mark.parametrize("matrix", LUMA)
@pytest.mark.parametrize("full", [False, True])
def test_colour_bars_keep_their_colours_by_range_and_matrix(matrix: str, full: bool) -> None:
    bars = np.zeros((HEIGHT, WIDTH, 3))
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5], [1, 1, 1]])
    bars[:] = colours.repeat(8, axis=0)
    red, blue = LUMA[matrix]
    luma = bars @ [red, 1 - red - blue, blue]
    differences = ((bars[..., 2] - luma) / (2 * (1 - blue)), (bars[..., 0] - luma) / (2 * (1 - red)))
    scale = (255, 255, 0) if full else (219, 224, 16)
    planes = np.rint([luma * scale[0] + scale[2], *(each * scale[1] + 128 for each in differences)]).clip(0, 255)
    tags = {
        "colorspace": int(av.video.reformatter.Colorspace[matrix]),
        "color_range": int(av.video.reformatter.ColorRange["JPEG" if full else "MPEG"]),
    }
    data = encode([planes.astype(np.uint8)] * 2, [0, 0.1], **tags)
    (item,) = VIDEO.decode(data, settings(channels="rgb"))
    assert np.abs(item.values[..., :3] - 255 * bars).max() <= 4


def test_odd_sizes_are_padded_at_the_bottom_and_right_and_not_stretched() -> None:
    frames = np.random.default_rng(0).integers(0, 2, (3, 5, 7, 1), dtype=np.uint8).repeat(3, 1).repeat(3, 2) * 200
    data = write_video(frames, 10)
    chosen = settings(resolution=[16, 22])
    clip = read_video(data, "MP4", chosen, target_of(chosen))
    assert (clip.height, clip.width) == (16, 22)
    assert np.abs(clip.frames[:, :15, :21].astype(int) - frames).mean() < 6


def test_frames_that_an_encoder_holds_back_are_counted() -> None:
    frames = numbered(23, HEIGHT)
    chosen = settings(resolution=HEIGHT)
    clip = read_video(write_video(frames, 25), "MP4", chosen, target_of(chosen))
    assert len(clip.frames) == 23
    assert np.abs(clip.frames[:, 5, 5, 0].astype(int) - frames[:, 5, 5, 0]).max() <= 3, "in the order of time"


@pytest.mark.parametrize("limits", [{"frames": 5}, {"picture": 100}, {"pixels": 1000}])
def test_limits_act_before_frames_are_decoded(limits: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_video(numbered(6, HEIGHT), 10)
    monkeypatch.setattr(av_file, "fit", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(BadItem, match=r"over data\.limits\." + next(iter(limits))):
        list(VIDEO.decode(data, settings(limits=limits)))


def test_sound_without_pictures_is_refused() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(BadItem, match="without pictures"):
        list(VIDEO.decode(out.getvalue(), settings()))
