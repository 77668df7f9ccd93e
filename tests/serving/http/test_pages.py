"""The page at / in a browser, on the screens of phones and desktops."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.image_to_image import ImageToImage
from tests.waiting import wait_until

READY = "document.body && document.body.dataset.ready === 'yes'"
MEASURE = """(() => {
  const root = document.documentElement;
  const visible = [...document.body.querySelectorAll('*')].filter(e => e.getClientRects().length);
  const written = visible.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return {
    width: root.clientWidth, scroll: root.scrollWidth,
    wide: visible.filter(e => e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.tagName),
    pictures: [...document.querySelectorAll('#grid img')].map(
      i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width]),
    smallest: Math.min(...written.map(e => parseFloat(getComputedStyle(e).fontSize))),
    lowest: Math.min(...visible.filter(e => ['BUTTON', 'SELECT'].includes(e.tagName)).map(
      e => e.getBoundingClientRect().height)),
  };
})()"""
PIXELS = """(async image => {
  if (!image.naturalWidth) return []; // still loading
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0);
  return [...pen.getImageData(0, 0, canvas.width, canvas.height).data].filter((_, k) => k % 4 === 0);
})"""


@pytest.fixture(scope="module")
def styled(styled_graph: Any, running: Any) -> Iterator[str]:
    with running(styled_graph.path) as (url, _):
        yield url


def pixels(tab: Any, selector: str) -> Any:
    return np.array(tab.run(f"{PIXELS}(document.querySelector('{selector}'))"))


def set_to(tab: Any, name: str, value: object) -> None:
    tab.run(f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('input')) }})(document.getElementById('{name}'))")


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1280, 800)])
def test_the_page_fits_the_screen_and_shows_all_images(tab: Any, styled: str, width: int, height: int) -> None:
    tab.size(width, height)
    tab.open(f"{styled}/")
    tab.until(READY)
    tab.until("[...document.querySelectorAll('#main img')].every(i => i.complete && i.naturalWidth === 8)")
    found = tab.run(MEASURE)
    assert found["scroll"] <= found["width"], found["wide"]
    assert found["wide"] == []
    assert len(found["pictures"]) == 24
    assert all(complete and natural == 8 and shown >= 60 for complete, natural, shown in found["pictures"])
    assert found["smallest"] >= 11
    assert found["lowest"] >= 40, "large enough for fingers"
    assert tab.problems == []
    assert all(url.startswith((styled, "blob:", "data:")) for url in tab.requested)
    tab.picture(tab.folder / f"{width}.png")


def test_user_actions_change_the_images(tab: Any, styled: str, styled_graph: Any) -> None:
    generator = Generator(styled_graph.path)
    tab.size(1280, 800)
    tab.open(f"{styled}/")
    tab.until(READY)

    def expected(seed: int, label: int, psi: float) -> Any:
        return generator.sample(1, seed, label=[label], psi=psi).ravel()

    def shows(selector: str, wanted: Any) -> None:
        wait_until(lambda: np.array_equal(pixels(tab, selector), wanted), lambda: (pixels(tab, selector), wanted))

    shows("#grid button:nth-child(6) img", expected(5, 0, 1.0))
    assert tab.run("document.getElementById('label').options.length") == 30
    assert "ms" in tab.run("document.getElementById('sample-status').textContent")
    set_to(tab, "label", 17)
    shows("#grid button:nth-child(6) img", expected(5, 17, 1.0))
    set_to(tab, "psi", 0.5)
    shows("#grid button:nth-child(6) img", expected(5, 17, 0.5))
    tab.run("document.getElementById('next').click()")
    shows("#grid button:nth-child(6) img", expected(29, 17, 0.5))
    set_to(tab, "n", 8)
    tab.until("document.querySelectorAll('#grid img').length === 8")

    tab.run("document.querySelector('#grid button:nth-child(2)').click()")
    tab.run("document.querySelector('#grid button:nth-child(4)').click()")
    assert (
        tab.run("document.getElementById('a').textContent + document.getElementById('b').textContent")
        == "A, seed 25B, seed 27"
    )
    assert (
        tab.run(
            "[...document.querySelectorAll('#grid [aria-pressed=true]')]"
            ".map(b => b.dataset.seed + b.lastChild.textContent).join()"
        )
        == "25A,27B"
    )
    shows("#between img", expected(25, 17, 0.5))
    set_to(tab, "mix", 1)
    shows("#between img", expected(27, 17, 0.5))
    assert "to compute" in tab.run("document.getElementById('sample-status').textContent")

    for button, name in (("save", "seed-25-to-27-at-1.png"), ("sheet", "seeds-24-to-31.png")):
        tab.run(f"document.getElementById('{button}').click()")
        tab.wait_for_download(name)
    saved = np.asarray(Image.open(io.BytesIO((tab.folder / "seed-25-to-27-at-1.png").read_bytes())))
    assert np.array_equal(saved.ravel(), expected(27, 17, 0.5))
    sheet = np.asarray(Image.open(tab.folder / "seeds-24-to-31.png").convert("L"))
    assert sheet.shape == (3 * 66 + 2, 3 * 66 + 2)
    assert np.array_equal(sheet[2:66:8, 68:132:8].ravel(), expected(25, 17, 0.5))


def test_a_model_without_conditions_has_no_controls(tab: Any, plain_graph: Any, running: Any) -> None:
    with running(plain_graph.path) as (url, _):
        tab.open(f"{url}/")
        tab.until(READY)
        assert tab.run("document.getElementById('controls').children.length") == 0


def test_the_token_is_requested_and_stored(tab: Any, plain_graph: Any, running: Any) -> None:
    with running(plain_graph.path, token="s3cret") as (url, _):
        tab.open(f"{url}/")
        tab.until("document.getElementById('login') && !document.getElementById('login').hidden")
        tab.run("document.getElementById('token').value = 's3cret'; document.querySelector('#login button').click()")
        tab.until(READY)
        assert tab.run("document.getElementById('login').getClientRects().length") == 0
        tab.open(f"{url}/?again")
        tab.until(f"location.search === '?again' && {READY}")


def test_errors_appear_on_the_page(tab: Any, plain_graph: Any, running: Any) -> None:
    with running(plain_graph.path) as (url, service):
        tab.open(f"{url}/")
        tab.until(READY)
        service.settings = service.batcher.settings = service.settings.model_copy(update={"timeout": 1e-9})
        set_to(tab, "seed", 100)
        tab.until(
            "document.querySelector('#sample-status.error')"
            " && document.getElementById('sample-status').textContent.includes('not finished within')"
        )
    set_to(tab, "seed", 200)
    tab.until(
        "document.querySelector('#sample-status.error')"
        " && /fetch|network/i.test(document.getElementById('sample-status').textContent)"
    )


GIVE = """((base64, name, how) => {
  const file = new File([Uint8Array.from(atob(base64), c => c.charCodeAt(0))], name, { type: 'image/png' });
  const carried = new DataTransfer();
  carried.items.add(file);
  const input = document.getElementById('file');
  if (how === 'choose') { input.files = carried.files; input.dispatchEvent(new Event('change')) }
  if (how === 'drop') for (const kind of ['dragover', 'drop']) {
    document.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, cancelable: true }));
  }
  if (how === 'paste') document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried }));
})"""
IDLE = "!document.getElementById('download').disabled"


def give(tab: Any, picture: Any, name: str, how: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    tab.run(f"{GIVE}('{base64.b64encode(buffer.getvalue()).decode()}', '{name}', '{how}')")


def shows_after(tab: Any, wanted: Any) -> None:
    """Wait until the page is idle and shows `wanted` as the result."""
    wait_until(lambda: tab.run(IDLE) and np.array_equal(pixels(tab, "#after"), wanted), "the result is not shown")


def waves(height: int, width: int) -> Any:
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 100 * np.sin(x / (9 + k)) * np.cos(y / 16) for k in range(3)], axis=2).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1280, 800)])
def test_an_image_is_transformed_next_to_its_original(
    tab: Any, upscaler: Any, running: Any, width: int, height: int
) -> None:
    transformer = ImageToImage(upscaler)
    with running(upscaler) as (url, _):
        tab.size(width, height)
        tab.open(f"{url}/")
        tab.until(READY)
        assert (
            tab.run(
                "['main', 'style-row'].reduce((n, id) => n + document.getElementById(id).getClientRects().length, 0)"
            )
            == 0
        )
        for how, picture in (("choose", waves(90, 120)), ("drop", waves(130, 60)), ("paste", waves(300, 300))):
            give(tab, picture, f"holiday-{how}.jpeg", how)
            tab.until(f"{IDLE} && document.getElementById('before').naturalHeight === {picture.shape[0]}")
            assert np.array_equal(pixels(tab, "#before"), picture[:, :, 0].ravel())
            assert np.array_equal(pixels(tab, "#after"), transformer(picture)[:, :, 0].ravel())
            assert (
                tab.run("document.getElementById('after-size').textContent")
                == f"{picture.shape[1] * 2} × {picture.shape[0] * 2}"
            )
            assert "ms of it to compute" in tab.run("document.getElementById('apply-status').textContent")
        found = tab.run(MEASURE)
        assert found["scroll"] <= found["width"], found["wide"]
        assert found["wide"] == []
        assert found["lowest"] >= 40
        assert tab.problems == []
        boxes = tab.run("['before', 'after'].map(i => document.getElementById(i).getBoundingClientRect().toJSON())")
        assert boxes[0]["right"] <= boxes[1]["left"]
        assert boxes[0]["top"] == boxes[1]["top"]
        tab.run("document.getElementById('download').click()")
        saved = tab.wait_for_download("holiday-paste-after.png")
        assert np.array_equal(np.asarray(Image.open(saved)), transformer(waves(300, 300)))
        saved.unlink()
        tab.picture(tab.folder / f"apply-{width}.png")


def test_styles_and_errors_of_the_apply_page(tab: Any, style_folder: Any, running: Any) -> None:
    transformer = ImageToImage(style_folder / "generator.onnx")
    with running(style_folder / "generator.onnx", max_body=100_000) as (url, _):
        tab.size(1280, 800)
        tab.open(f"{url}/")
        tab.until(READY)
        tab.run("document.getElementById('restyle').click()")
        tab.until("document.getElementById('apply-status').textContent === 'Choose an image first.'")
        set_to(tab, "style", 0)
        give(tab, waves(30, 40), "a.png", "choose")
        for seed in range(2):
            wanted = transformer(waves(30, 40), conditions=transformer.conditions(seed))[:, :, 0].ravel()
            shows_after(tab, wanted)
            tab.run("document.getElementById('restyle').click()")
        tab.until(IDLE)
        tab.run("document.getElementById('file').dispatchEvent(new Event('change'))")
        tab.run(f"{GIVE}('{base64.b64encode(b'no picture at all').decode()}', 'b.png', 'drop')")
        tab.until("document.getElementById('apply-status').textContent.includes('not an image')")
        assert tab.run("document.getElementById('after').hidden && document.getElementById('download').disabled")
        give(tab, np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8), "large.png", "drop")
        tab.until("document.getElementById('apply-status').textContent.includes('the limit is 0.1 MB')")


def test_the_api_description_fits_the_screen(tab: Any, styled: str) -> None:
    for width in (390, 1280):
        tab.size(width, 800)
        tab.open(f"{styled}/docs")
        tab.until("document.querySelectorAll('details').length > 10")
        tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = tab.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert found[0] <= found[1]
        tab.picture(tab.folder / f"docs-{width}.png")
