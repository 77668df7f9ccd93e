"""`ganline apply`: images of any size, tiles, folders, styles, errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, JpegImagePlugin
from typer.testing import CliRunner

from pipeline.errors import InputError
from pipeline.files import walk_files
from pipeline.gans.registry import build
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.media.registry import MEDIA
from pipeline.serving.graph_tensors import latents
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files, list_refused, plan_files
from pipeline.serving.runtime.image_to_image import ImageToImage, TileSize
from tests.specs import image_spec

IMAGES = MEDIA["image"]
ORIGIN = {
    "version": "0.1.0",
    "dataset_name": "photos",
    "dataset_fingerprint": "f" * 64,
    "images_seen": 10,
    "git_commit": "c" * 40,
    "mlflow_run": "0" * 32,
    "verdict": "pass",
    "fid": None,
    "protocol": "none",
    "latent": 0,
    "task": "restore",
    "multiple": 1,
    "keeps_colours": True,
}


def make(folder: Path, name: str, channels: int) -> Path:
    torch.manual_seed(0)
    small = {"generator_channels": 4, "blocks": 1, "kernel": 3, "pretraining": 1}
    settings = (
        SRGANSettings.model_validate({**small, "scale": 2})
        if name == "srgan"
        else DenoiseSettings.model_validate(small)
    )
    gan = build(settings, image_spec(16, channels)).eval()
    metadata = Metadata.model_validate(
        {**ORIGIN, "variant": name, "item": image_spec(16, channels), "scale": gan.scale}
    )
    path = folder / f"{name}{channels}.onnx"
    export(name_tensors(gan.export()[0], metadata.item), path, metadata.pairs(), 20)
    return path


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("apply"), "srgan", 3)


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("apply"), "denoise", 1)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 100 * np.sin(x / (4 + k) + seed) * np.cos(y / 6) for k in range(3)], axis=2).astype(np.uint8)


def save(path: Path, height: int = 30, width: int = 41, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed)).save(path)
    return path


def test_tiling_does_not_change_the_result(larger: Path) -> None:
    transformer = ImageToImage(larger)
    image = picture(100, 170)
    whole, tiled = transformer(image), transformer(image, TileSize(48, 16))
    assert whole.shape == (200, 340, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1, "one level of rounding"
    assert (whole == tiled).mean() > 0.999


def test_the_output_may_be_a_file_name(larger: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "in.png")
    assert apply_to_files(larger, [source], tmp_path / "new" / "out.webp") == (1, [], [])
    with Image.open(tmp_path / "new" / "out.webp") as image:
        assert image.size == (82, 60)


def test_folders_keep_their_structure_and_bad_files_are_reported(larger: Path, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "deep" / "b.bmp", 20, 20)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    alone = save(tmp_path / "alone.png")
    done, problems, _ = apply_to_files(larger, [tmp_path / "in", alone], tmp_path / "out")
    assert done == 3
    assert [problem.split(": ", 1)[1] for problem in problems] == ["not an image (or its header is damaged)"]
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")) == [
        "a.png",
        "alone.png",
        "deep/b.png",
    ]


def test_litter_and_earlier_results_are_not_processed(larger: Path, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    for name in (".hidden.png", "@eaDir/a.png", "$RECYCLE.BIN/b.png"):
        save(tmp_path / "in" / name)
    for _ in range(2):
        assert apply_to_files(larger, [tmp_path / "in"], tmp_path / "in" / "larger") == (1, [], [])
    results = [path.relative_to(tmp_path / "in").as_posix() for path in (tmp_path / "in" / "larger").rglob("*.png")]
    assert results == ["larger/a.png"]


def test_links_are_followed_by_the_rules_of_ingest_or_reported(tmp_path: Path) -> None:
    outside, folder = save(tmp_path / "outside" / "x.png"), tmp_path / "in"
    inside = save(folder / "deep" / "a.png")
    (folder / "link.png").symlink_to(inside)
    (folder / "out.png").symlink_to(outside)
    (folder / "broken.png").symlink_to(folder / "absent.png")
    (folder / "linked").symlink_to(outside.parent)
    pairs = plan_files([folder], tmp_path / "out", IMAGES)
    sources = [pair.source.relative_to(folder).as_posix() for pair in pairs]
    files = dict(walk_files(folder))
    assert sources == ["deep/a.png", "link.png"] == [path for path, problem in files.items() if problem is None]
    assert list_refused(folder) == [
        f"{folder}/broken.png: a link to a file that does not exist",
        f"{folder}/linked: a link to a place outside the folder",
        f"{folder}/out.png: a link to a place outside the folder",
    ]
    inside.unlink()
    with pytest.raises(InputError, match=r"no images found\.(.*\n)*.*linked: a link to a place outside the folder"):
        plan_files([folder], tmp_path / "out", IMAGES)


def test_a_gray_model_converts_rgb_input_to_gray(gray: Path, tmp_path: Path) -> None:
    assert apply_to_files(gray, [save(tmp_path / "in.png")], tmp_path / "out.png")[0] == 1
    with Image.open(tmp_path / "out.png") as image:
        assert (image.mode, image.size) == ("L", (41, 30))


def test_invalid_inputs_are_rejected(larger: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "a" / "x.png")
    save(tmp_path / "b" / "x.jpg")
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        plan_files([tmp_path / "nowhere"], tmp_path / "out", IMAGES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images found"):
        plan_files([tmp_path / "empty"], tmp_path / "out", IMAGES)
    with pytest.raises(InputError, match="would both be written to"):
        plan_files([tmp_path / "a", tmp_path / "b"], tmp_path / "out", IMAGES)
    with pytest.raises(InputError, match="would overwrite its source"):
        plan_files([tmp_path / "a"], tmp_path / "a", IMAGES)
    with pytest.raises(InputError, match="this is a file, but several results need a folder"):
        plan_files([tmp_path / "a", tmp_path / "b"], source, IMAGES)
    with pytest.raises(InputError, match="three times the overlap"):
        apply_to_files(larger, [source], tmp_path / "out", ApplyOptions(TileSize(64, 40)))
    with pytest.raises(InputError, match=r"none\.onnx: no such file\. Run `dvc repro`"):
        apply_to_files(tmp_path / "none.onnx", [source], tmp_path / "out")


def test_errors_name_the_command_for_the_kind_of_graph(plain_graph: object, larger: Path) -> None:
    from pipeline.serving.runtime.generator import Generator

    with pytest.raises(InputError, match="Use `ganline sample`"):
        ImageToImage(plain_graph.path)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="Use `ganline apply`"):
        Generator(larger)


def test_the_command(larger: Path, tmp_path: Path) -> None:
    from pipeline.cli.app import app

    source = save(tmp_path / "in.png")
    (tmp_path / "broken.png").write_bytes(b"")
    found = CliRunner().invoke(
        app,
        [
            "apply",
            str(source),
            "-o",
            str(tmp_path / "out.png"),
            "--model",
            str(larger),
            "--tile",
            "48",
            "--overlap",
            "8",
        ],
    )
    assert found.exit_code == 0, found.output
    assert "out.png: 1 result" in found.output
    found = CliRunner().invoke(
        app, ["apply", str(source), str(tmp_path / "broken.png"), "-o", str(tmp_path / "all"), "--model", str(larger)]
    )
    assert found.exit_code == 2
    assert "broken.png: empty file" in found.output
    assert "1 result, 1 could not be read" in found.output


def command(*arguments: object) -> tuple[int, str]:
    from pipeline.cli.app import app

    found = CliRunner().invoke(app, ["apply", *map(str, arguments)])
    return found.exit_code, found.output if found.exit_code == 0 else f"{found.output}{found.exception or ''}"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_styles_come_from_a_seed_or_an_example(style_folder: Path, tmp_path: Path) -> None:
    import onnxruntime

    source = save(tmp_path / "in.png")
    wet = save(tmp_path / "wet.png", 16, 16, seed=3)
    model, reverse = style_folder / "generator.onnx", style_folder / "reverse.onnx"
    given = pixels(source).astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1

    def expected(graph: Path, z: np.ndarray) -> np.ndarray:
        output = onnxruntime.InferenceSession(graph).run(["images"], {"image": given, "z": z})[0][0]
        found: np.ndarray = np.clip(np.floor(127.5 * output + 128), 0, 255).astype(int).transpose(1, 2, 0)
        return found

    def drawn(*arguments: object) -> np.ndarray:
        code, output = command(source, "-o", tmp_path / "out.png", *arguments)
        assert code == 0, output
        return pixels(tmp_path / "out.png").astype(int)

    by_seed = {seed: drawn("--model", model, "--seed", seed) for seed in (0, 5)}
    for seed, found in by_seed.items():
        assert np.abs(found - expected(model, latents(seed, 0, 1, 8))).max() <= 1
    assert np.array_equal(drawn("--model", model), by_seed[0])
    assert np.abs(by_seed[0] - by_seed[5]).mean() > 1
    example = pixels(wet).astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    for graph, encoder in ((model, "style_b"), (reverse, "style_a")):
        (z,) = onnxruntime.InferenceSession(style_folder / f"{encoder}.onnx").run(None, {"image": example})
        assert np.abs(drawn("--model", graph, "--example", wet) - expected(graph, z)).max() <= 1


def test_missing_styles_are_reported(style_folder: Path, larger: Path, tmp_path: Path) -> None:
    source, model = save(tmp_path / "in.png"), style_folder / "generator.onnx"
    (tmp_path / "broken.png").write_bytes(b"nothing")
    alone = tmp_path / "alone" / "reverse.onnx"
    alone.parent.mkdir()
    alone.write_bytes((style_folder / "reverse.onnx").read_bytes())
    for arguments, words in (
        (
            ["--model", model, "--example", source, "--seed", 1],
            "--seed and --example both choose the style",
        ),
        (
            ["--model", model, "--example", tmp_path / "none.png"],
            "none.png: No such file or directory. --example takes an image",
        ),
        (["--model", model, "--example", tmp_path / "broken.png"], "broken.png: not an image"),
        (
            ["--model", alone, "--example", source],
            "style_a.onnx: no such file. --example needs it in the model's folder",
        ),
        (["--model", larger, "--example", source], "has no styles: an image has one result. Omit --example."),
        (["--model", larger, "--seed", 3], "has no styles: an image has one result. Omit the seed."),
        (
            ["--model", style_folder / "style_b.onnx"],
            "maps image to z, not an image to images. Use the generator.onnx in the same folder",
        ),
    ):
        code, output = command(source, "-o", tmp_path / "out.png", *arguments)
        assert code != 0
        assert words in output, output
    assert not (tmp_path / "out.png").exists()


def test_fixed_size_graphs_are_never_tiled(fixed_size_graph: Path, tmp_path: Path) -> None:
    assert apply_to_files(
        fixed_size_graph, [save(tmp_path / "in.png", 90, 120)], tmp_path / "out.png", ApplyOptions(TileSize(12, 4))
    ) == (1, [], [])
    assert pixels(tmp_path / "out.png").shape == (16, 16, 3)


def written(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_transparency_is_scaled_and_kept(larger: Path, tmp_path: Path) -> None:
    opaque = Image.fromarray(picture(24, 24))
    alpha = Image.new("L", (24, 24), 0)
    alpha.paste(255, (0, 0, 12, 24))
    clear = opaque.copy()
    clear.paste((0, 0, 0), (12, 0, 24, 24))  # what most programs store below transparent pixels
    clear.putalpha(alpha)
    source = written(tmp_path / "in.png", clear)
    for suffix in (".png", ".webp", ".tif"):
        out = tmp_path / f"out{suffix}"
        assert apply_to_files(larger, [source], out) == (1, [], [])
        with Image.open(out) as image:
            assert (image.mode, image.size) == ("RGBA", (48, 48)), suffix
            mask = np.asarray(image.getchannel("A"))
        assert mask[:, :21].min() == 255
        assert mask[:, 27:].max() == 0
    # The black below transparent pixels does not reach visible ones: they are spread there.
    edge = np.asarray(Image.open(tmp_path / "out.png").convert("RGB"), dtype=int)[:, 23]
    apply_to_files(larger, [written(tmp_path / "black.png", clear.convert("RGB"))], tmp_path / "black-out.png")
    black = np.asarray(Image.open(tmp_path / "black-out.png"), dtype=int)[:, 23]
    apply_to_files(larger, [written(tmp_path / "opaque.png", opaque)], tmp_path / "opaque-out.png")
    full = np.asarray(Image.open(tmp_path / "opaque-out.png"), dtype=int)[:, 23]
    assert np.abs(edge - full).mean() < np.abs(black - full).mean()
    losses = apply_to_files(larger, [source], tmp_path / "out.jpg").losses
    assert losses == [f"transparency became white (.jpg has none): {source}"]
    with Image.open(tmp_path / "out.jpg") as image:
        assert np.asarray(image)[:, 30:].min() >= 250


def test_a_gray_image_stays_gray_if_the_model_keeps_colours(larger: Path, style_folder: Path, tmp_path: Path) -> None:
    gray = Image.fromarray(picture(20, 20)).convert("L")
    for image, mode in ((gray, "L"), (Image.merge("LA", (gray, gray)), "LA")):
        apply_to_files(larger, [written(tmp_path / "in.png", image)], tmp_path / "out.png")
        with Image.open(tmp_path / "out.png") as result:
            assert result.mode == mode
    apply_to_files(style_folder / "generator.onnx", [written(tmp_path / "in.png", gray)], tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == "RGB", "a translation may colour its input"


def test_exif_data_and_print_size_are_kept(larger: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    base = ExifTags.Base
    exif[base.Make], exif[base.Copyright], exif[base.Orientation], exif[base.ImageWidth] = "Camera", "Me", 6, 7
    exif.get_ifd(ExifTags.IFD.Exif).update({base.ISOSpeedRatings: 200, base.ExifImageWidth: 30})
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    source = written(tmp_path / "in.jpg", Image.fromarray(picture(20, 30)), exif=exif, dpi=(300, 300))
    for suffix in (".jpg", ".png", ".webp", ".tif", ".avif"):
        out = tmp_path / f"out{suffix}"
        losses = apply_to_files(larger, [source], out).losses
        with Image.open(out) as image:
            assert image.size == (40, 60), suffix
            found = image.getexif()
            assert (found[base.Make], found[base.Copyright]) == ("Camera", "Me"), suffix
            assert found.get(base.Orientation, 1) == 1
            assert found.get(base.ImageWidth) in (None, 40)
            tags = found.get_ifd(ExifTags.IFD.Exif)
            assert (tags[base.ISOSpeedRatings], base.ExifImageWidth in tags) == (200, False)
            assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
            if suffix in (".webp", ".avif"):
                assert losses == [f"the resolution (dpi) was left out ({suffix} has none): {source}"]
            else:
                assert losses == []
                assert image.info["dpi"] == pytest.approx((600, 600), rel=0.01)
    assert apply_to_files(larger, [source], tmp_path / "out.gif").losses == [
        f"the resolution (dpi) was left out (.gif has none): {source}",
        f"EXIF data were left out (.gif has none): {source}",
        f"colours became a palette of 256 (.gif has no more): {source}",
    ]


def test_what_is_lost_is_one_line_for_all_files(larger: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        written(folder / f"{number}.png", Image.fromarray(np.full((8, 8), 60_000, dtype=np.uint16)))
    Image.new("L", (8, 8)).save(folder / "frames.gif", save_all=True, append_images=[Image.new("L", (8, 8), 9)])
    result = apply_to_files(larger, [folder], tmp_path / "out")
    first = ", ".join(str(folder / f"{number}.png") for number in range(3))
    assert result.losses == [
        f"more than 8 bits per value became 8: {first} and 2 more",
        f"only the first frame or page was used: {folder / 'frames.gif'}",
    ]
    code, output = command(folder, "-o", tmp_path / "again", "--model", larger)
    assert code == 0, output
    assert "ganline: not kept: more than 8 bits per value became 8" in output


def test_lossy_formats_have_high_quality_by_default(larger: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "in.png", 64, 64)
    exact = ImageToImage(larger)(picture(64, 64))
    errors, sizes = {}, {}
    for suffix in (".jpg", ".webp", ".avif"):
        for quality in (None, 30):
            out = tmp_path / f"{quality}{suffix}"
            apply_to_files(larger, [source], out, ApplyOptions(quality=quality))
            errors[suffix, quality] = np.abs(pixels(out).astype(int) - exact).mean()
            sizes[suffix, quality] = out.stat().st_size
        assert errors[suffix, None] < 2, suffix
        assert errors[suffix, 30] > errors[suffix, None], suffix
        assert sizes[suffix, 30] < sizes[suffix, None], suffix
    assert errors[".webp", None] == 0
    with Image.open(tmp_path / "None.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0, "4:4:4"
        assert image.info["icc_profile"]
    with pytest.raises(InputError, match=r"--quality does not apply to '\.png', which is lossless"):
        apply_to_files(larger, [source], tmp_path / "out", ApplyOptions(quality=50))
