"""The blind test: its page in a browser, the file that it saves, and errors of such files."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.blind_test import HALF, Answers, BlindTest, check_answers, read_answers, score
from pipeline.media.registry import MEDIA
from tests.browser import Page
from tests.specs import image_spec
from tests.toy.toy import Letters

TEST = BlindTest("a" * 64, "b" * 64, 7)


def result(**changes: Any) -> dict[str, Any]:
    """Return a complete result in which every answer is right."""
    answers = ["real" if is_real else "generated" for is_real in TEST.is_real]
    whole = {"test": "ganline-human-1", "model": TEST.model, "data": TEST.data, "seed": TEST.seed, "key": TEST.key}
    return whole | {"answers": answers} | changes


def saved(folder: Path, content: Any) -> Path:
    path = folder / "result.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_half_of_the_items_are_real_in_an_order_of_the_seed() -> None:
    assert TEST.is_real.sum() == HALF == len(TEST.is_real) / 2
    assert not np.array_equal(TEST.is_real, BlindTest(TEST.model, TEST.data, 8).is_real)
    assert [byte & 1 for byte in base64.b64decode(TEST.key)] == TEST.is_real.tolist()
    assert len(set(TEST.choose(30, HALF, "items").tolist())) == HALF
    with pytest.raises(InputError, match=r"19 items, and a blind test needs 20. Raise data.test_fraction"):
        TEST.choose(19, HALF, "items")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page on which real items are light and generated ones dark, each of its own gray."""
    real, generated = (
        np.arange(low, low + HALF, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2) for low in (200, 20)
    )
    path = tmp_path_factory.mktemp("page") / "human.html"
    path.write_text(TEST.render(real, generated, image_spec(8, 1)), encoding="utf-8")
    return path


def test_a_person_takes_the_test_and_saves_the_result(tab: Page, file: Path) -> None:
    tab.open(file.as_uri())
    tab.until("document.querySelectorAll('.item:not([hidden]) img').length === 1")
    taken = json.loads(
        tab.run(
            """(async () => {
              const order = [], key = k => document.dispatchEvent(new KeyboardEvent('keydown', {key: k}));
              document.getElementById('real').click();
              document.getElementById('back').click();
              for (let k = 0; k < 40; k++) {
                const shown = [...document.querySelectorAll('.item:not([hidden]) img')];
                await shown[0].decode();
                const context = Object.assign(document.createElement('canvas'), {width: 8, height: 8}).getContext('2d');
                context.drawImage(shown[0], 0, 0);
                const light = context.getImageData(0, 0, 1, 1).data[0] > 128;
                order.push([shown.length, light]);
                if (k < 5) document.getElementById('real').click(); else key(light ? 'r' : 'G');
              }
              return JSON.stringify(order);
            })()"""
        )
    )
    assert [count for count, _ in taken] == [1] * 40
    assert [light for _, light in taken] == TEST.is_real.tolist()
    wrong = int((~TEST.is_real[:5]).sum())
    tab.run("document.getElementById('save').click()")
    path = tab.wait_for_download("human-7.json")
    found = read_answers(path)
    check_answers(path, found, TEST.model, TEST.data)
    assert found.answers[:5] == ("real",) * 5
    measured = score([found])
    assert measured["human_accuracy"] == (40 - wrong) / 40
    text = tab.run("document.getElementById('result').innerText")
    assert f"{40 - wrong} of 40 right" in text
    assert f"{100 * measured['human_accuracy_low']:.1f} % to {100 * measured['human_accuracy_high']:.1f} %" in text
    assert "You can tell them apart" in text
    assert tab.problems == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in tab.requested)


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1280, 800)])
def test_the_page_fits_the_screen(tab: Page, file: Path, width: int, height: int) -> None:
    tab.size(width, height)
    tab.open(file.as_uri())
    tab.until("document.querySelectorAll('.item:not([hidden]) img').length === 1")
    assert tab.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert tab.run("document.getElementById('back').getBoundingClientRect().bottom") <= height


def test_items_of_any_medium_are_shown_as_their_medium_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    medium = Letters()
    monkeypatch.setitem(MEDIA, "letters", medium)
    item = medium.spec(None, ())
    real, generated = (np.full((HALF, 6, 10, 2), letter, dtype=np.uint16) for letter in (0, 1))
    shown = re.findall(r'<div class="item" hidden>(.*?)</div>', TEST.render(real, generated, item), re.DOTALL)
    assert shown == [medium.html((real if is_real else generated)[0], item) for is_real in TEST.is_real]


def test_several_persons_are_pooled() -> None:
    none_right = ["generated" if is_real else "real" for is_real in TEST.is_real]
    measured = score([Answers.model_validate_json(json.dumps(one)) for one in (result(), result(answers=none_right))])
    assert (measured["human_accuracy"], measured["human_answers"], measured["human_persons"]) == (0.5, 80, 2)
    assert measured["human_accuracy_low"] == pytest.approx(0.3929, abs=1e-4)
    assert (measured["real_taken_for_real"], measured["generated_taken_for_real"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"result\.json: this is not the result of a blind test \(Invalid JSON"),
        ("[]", "not the result of a blind test"),
        (result(test="other"), r"not the result of a blind test \(test: "),
        (result(answers=["maybe"]), r"not the result of a blind test \(answers\.0: "),
        (result(seed="7"), r"not the result of a blind test \(seed: "),
        (result(answers=["real"] * 31), r"the test is not complete: 31 of 40 answers\. Take the test again"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_answers(saved(tmp_path, content))
    with pytest.raises(InputError, match=r"absent\.json: cannot be read"):
        read_answers(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "c" * 64}, r"another model \(weights cccccccc, now aaaaaaaa\)\. Run `ganline human --seed 7`"),
        ({"data": "c" * 64}, r"other data \(split cccccccc, now bbbbbbbb\)"),
        ({"seed": 8}, "another order than this version"),
    ],
)
def test_results_about_other_tests_are_errors(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = saved(tmp_path, result(**changes))
    with pytest.raises(InputError, match=message):
        check_answers(path, read_answers(path), TEST.model, TEST.data)
