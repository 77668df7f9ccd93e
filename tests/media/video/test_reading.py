"""Reading clips: each trap that users of other tools ran into, and every kind of file that is set aside."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from pipeline.arrays import UInt8Array
from pipeline.media.bundle import natural_key, pack
from pipeline.media.codec import BadItem
from pipeline.media.image.image import Decoded, Target, decode
from pipeline.media.registry import MEDIA
from pipeline.media.video.writer import write_gif
from tests.media.video.broken_clips import BAD, FOLDER, FRAMES, GIF
from tests.media.video.clip_files import SIDE, animation, images, numbered, picture, strip

VIDEO: Any = MEDIA["video"]


def settings(**values: Any) -> Any:
    return VIDEO.Settings(**({"resolution": SIDE, "frames": 4, "resize": "nearest"} | values))


def read(data: bytes, **values: Any) -> list[UInt8Array]:
    """Return the items of a file as frames [T, H, W, C]."""
    chosen = settings(**values)
    spec = VIDEO.spec(chosen, ())
    return [VIDEO.frames(item.values[None], spec)[0] for item in VIDEO.decode(data, chosen)]


def levels(clip: UInt8Array) -> list[int]:
    """Return the gray level in the middle of each frame."""
    middle: list[int] = clip[:, SIDE // 2, SIDE // 2, 0].tolist()
    return middle


# --- time ---


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_equal_frames_that_a_writer_merged_are_expanded_by_their_duration(kind: str) -> None:
    order = [0, 1, 1, 1, 2, 3, 3, 4]
    frames = numbered(5)[order]
    data = animation(images(frames), kind, duration=100, loop=0, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 5  # merged
    (clip,) = read(data, frames=8)
    assert levels(clip) == [10 * number + 5 for number in order]


def test_a_written_gif_keeps_equal_frames() -> None:
    frames = numbered(3)[[0, 0, 1, 1, 2, 2]]
    data = write_gif(frames, 10)
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 6
    assert levels(read(data, frames=6)[0]) == [5, 5, 15, 15, 25, 25]


@pytest.mark.parametrize(("delay", "seconds"), [(0, 0.1), (10, 0.1), (20, 0.02), (70, 0.07)])
def test_delays_near_zero_are_a_tenth_of_a_second_as_in_viewers(delay: int, seconds: float) -> None:
    chosen = settings()
    (item,) = VIDEO.decode(animation(images(numbered(4)), duration=delay), chosen)
    assert item.facts["rate"] == pytest.approx(1 / seconds)


@pytest.mark.parametrize(
    ("rate", "every", "expected"),
    [(10.0, 1, [0, 1, 2, 3]), (5.0, 1, [0, 2, 4, 6]), (20.0, 1, [0, 0, 1, 1]), (None, 2, [0, 2, 4, 6])],
)
def test_frames_are_those_seen_at_the_asked_rate(rate: float | None, every: int, expected: list[int]) -> None:
    data = animation(images(numbered(8)), duration=100)
    assert levels(read(data, frame_rate=rate, every=every)[0]) == [10 * number + 5 for number in expected]


def test_cuts_follow_each_other_and_overlap_on_request() -> None:
    data = strip(numbered(10))
    assert [levels(clip)[0] for clip in read(data)] == [5, 45]
    assert [levels(clip)[0] for clip in read(data, hop=3)] == [5, 35, 65]
    starts = [item.facts["start"] for item in VIDEO.decode(data, settings(hop=3))]
    assert starts == [0, 3, 6]


# --- pixels ---


def test_frames_that_hold_changed_pixels_only_are_composited_in_order() -> None:
    frames = np.zeros((4, SIDE, SIDE, 1), np.uint8)
    for number in range(4):
        frames[number:, number * 4 : number * 4 + 4] = 60 * (number + 1)
    data = animation(images(frames), duration=50, disposal=1)
    assert (read(data)[0] == frames).all()


def test_frames_keep_their_colours_though_each_has_a_palette_of_its_own() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 255, (4, 4, 4, 3), dtype=np.uint8), 4, axis=1), 4, axis=2)
    data = animation(images(frames), duration=50)
    assert (read(data, channels="rgb")[0] == frames).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_transparency_of_every_frame_is_composited_on_the_background(kind: str) -> None:
    layers = []
    for number in range(4):
        layer = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
        layer.paste((200, 0, 0, 255), (number * 4, 0, number * 4 + 4, SIDE))
        layers.append(layer)
    options: dict[str, dict[str, Any]] = {
        "GIF": {"disposal": 2},
        "PNG": {"disposal": 1, "blend": 0},
        "WEBP": {"lossless": True, "kmax": 1},  # without kmax, libwebp drops the transparency of these frames
    }
    data = animation(layers, kind, duration=50, **options[kind])
    (clip,) = read(data, channels="rgb", background="#00ff00")
    for number, frame in enumerate(clip):
        inside = np.zeros(SIDE, bool)
        inside[number * 4 : number * 4 + 4] = True
        assert (frame[:, inside] == (200, 0, 0)).all()
        assert (frame[:, ~inside] == (0, 255, 0)).all()


def test_the_still_of_an_apng_for_other_viewers_is_no_frame() -> None:
    frames = images(numbered(5))
    data = animation(frames, "PNG", duration=100, default_image=True)
    assert levels(read(data)[0]) == [15, 25, 35, 45]


def test_strips_are_cut_in_reading_order() -> None:
    assert levels(read(strip(numbered(4)))[0]) == [5, 15, 25, 35]
    assert levels(read(strip(numbered(4), upright=True))[0]) == [5, 15, 25, 35]
    wide = np.repeat(numbered(4), 2, axis=2)  # frames of 16 x 32
    assert levels(read(strip(wide), strip=4)[0]) == [5, 15, 25, 35]


def test_frames_of_a_folder_are_sorted_by_number() -> None:
    names = [f"frame_{number}.png" for number in (1, 2, 10)]
    assert sorted(["frame_10.png", "frame_2.png", "frame_1.png"], key=natural_key) == names
    files = [(f"{number}.png", picture(image)) for number, image in enumerate(images(numbered(4)), start=8)]
    assert levels(read(pack(files), clips="folders")[0]) == [5, 15, 25, 35]


# --- bad input ---


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_by_name(kind: str) -> None:
    data, reason = BAD[kind]
    with pytest.raises(BadItem, match=reason) as caught:
        list(VIDEO.decode(data, settings()))
    assert str(caught.value).startswith("cannot be decoded") == ("decoded" in reason)


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (GIF, {"frames": 5}, "6 frames, over data.limits.frames"),
        (GIF, {"pixels": 1000}, "over data.limits.pixels"),
        (GIF, {"picture": 100}, "over data.limits.picture"),
        (strip(numbered(6)), {"picture": 1000}, "over data.limits.pixels|bomb"),
        (strip(numbered(6)), {"frames": 5}, "6 frames, over data.limits.frames"),
        (pack(FOLDER), {"frames": 5}, "6 frames, over data.limits.frames"),
        (pack(FOLDER), {"pixels": 1000}, "over data.limits.pixels"),
        (animation(FRAMES, duration=[20, 20, 20, 20, 20, 2000]), {"frames": 50}, "105 frames at 50 frames a second"),
    ],
)
def test_limits_are_checked(data: bytes, limits: dict[str, int], reason: str) -> None:
    with pytest.raises(BadItem, match=reason):
        list(VIDEO.decode(data, settings(limits=limits)))


@pytest.mark.parametrize("limits", [{"frames": 5}, {"picture": 100}, {"pixels": 1000}])
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_limits_act_before_frames_are_decoded(
    kind: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = animation(FRAMES, kind, duration=50)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("was decoded"))
    with pytest.raises(BadItem, match=r"over data\.limits\." + next(iter(limits))):
        list(VIDEO.decode(data, settings(limits=limits)))


def test_only_the_first_frame_of_a_folder_is_decoded_before_its_pixels_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[int] = []

    def count(data: bytes, target: Target) -> Decoded:
        decoded.append(len(data))
        return decode(data, target)

    monkeypatch.setattr("pipeline.media.video.animation.decode", count)
    with pytest.raises(BadItem, match=r"over data\.limits\.pixels"):
        list(VIDEO.decode(pack(FOLDER), settings(limits={"pixels": 1000})))
    assert len(decoded) == 1


def test_a_strip_that_does_not_divide_is_refused() -> None:
    with pytest.raises(BadItem, match=r"do not divide into data\.strip 5 frames"):
        read(strip(numbered(4)), strip=5)


# --- videos ---


def test_videos_are_read_upright_in_time_and_in_their_colours() -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    frames = np.zeros((6, 32, 48, 3), np.uint8)
    frames[..., :24, 0], frames[..., 24:, 2] = 250, 250
    frames[:, :16] //= 2
    frames[..., 1] = (20 * np.arange(6))[:, None, None]
    from pipeline.media.video.av_file import write_video

    data = write_video(frames, 10)
    clips = read(data, channels="rgb", resolution=[32, 48], frames=6)
    assert np.abs(clips[0].astype(int) - frames).mean() < 4
    (item,) = VIDEO.decode(data, settings(frames=6))
    assert item.facts["rate"] == pytest.approx(10, rel=0.01)
    with pytest.raises(BadItem, match="MP4 video"):
        read(data[: len(data) // 2])
    turned = read(turn_clockwise(data), channels="rgb", resolution=[48, 32], frames=6)
    assert (turned[0] == np.rot90(clips[0], -1, axes=(1, 2))).all()


def turn_clockwise(data: bytes) -> bytes:
    """Return an MP4 whose header says that it is shown turned by 90 degrees, as phones write it."""
    one, none = (1 << 16).to_bytes(4, "big"), bytes(4)
    upright = one + 3 * none + one
    turned = none + one + none + (-(1 << 16)).to_bytes(4, "big", signed=True) + none
    start = data.index(upright, data.index(b"tkhd"))
    return data[:start] + turned + data[start + len(upright) :]


def test_without_pyav_a_video_names_what_to_install() -> None:
    try:
        import av  # noqa: F401
    except ImportError:
        with pytest.raises(BadItem, match=r"pip install 'ganline\[video\]'"):
            read(b"\0\0\0\x18ftypisom" + bytes(40))
