"""Messages are about images, clips or pieces: what the medium's items are called."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.evaluation.verdict import format_numbers
from pipeline.media.registry import MEDIA
from pipeline.media.wording import say, say_page
from pipeline.params import read_medium
from pipeline.stages.evaluate import say_result
from pipeline.stages.training_reporter import print_message
from pipeline.tasks.base import EvaluationResult
from pipeline.tasks.registry import TASKS
from pipeline.training.health import Event

IMAGE = re.compile(r"(?<![\w.])[Ii]mages?(?![\w.])")
OTHERS = [name for name, medium in MEDIA.items() if medium.noun != "image"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 images (step 20), 354 images/s", "1,000 clips (step 20), 354 clips/s"),
        ("An image of a class; Images of none, one image", "A clip of a class; Clips of none, one clip"),
        ("raise train.total_images and train.health.images", "raise train.total_images and train.health.images"),
        ("data/images/a.wav has no array `images`", "data/images/a.wav has no array `images`"),
        ("image-to-image, image/png", "image-to-image, image/png"),
    ],
)
def test_names_of_settings_and_files_stay(text: str, expected: str) -> None:
    assert say(text, "clip") == expected
    assert say(text, "image") == text


def test_articles_fit_the_noun() -> None:
    assert (say("an image", "event"), say("an image", "piece")) == ("an event", "a piece")


def test_tags_of_a_page_stay() -> None:
    page = '<img alt="an image" src="data:image/png;base64,AA=="><p title="image">Real images</p>'
    assert say_page(page, "clip") == page.replace("Real images", "Real clips")


@pytest.mark.parametrize("name", OTHERS)
def test_all_that_the_measures_of_a_medium_say_is_about_its_items(name: str) -> None:
    medium = MEDIA[name]
    for measure in TASKS["generate"].measures(medium):
        advice = [symptom.advice for symptom in measure.symptoms]
        for text in (measure.explanation, measure.missing, *advice):
            assert not IMAGE.search(say(text, medium.noun)), text


@pytest.mark.parametrize("name", OTHERS)
def test_an_evaluation_is_about_the_items_of_its_medium(name: str) -> None:
    noun = MEDIA[name].noun
    text = format_numbers("recall", 0.3, ">= 0.5", 1.0)
    said = text.replace("image", noun)
    metrics = {"verdict": "fail", "reasons": [text], "warnings": [text], "skipped": [text], "untested": [text]}
    result = EvaluationResult({**metrics, "protocol": text}, f"<p>{text}</p>", text, [text])
    found = asdict(say_result(result, noun))
    assert {found["line"], *found["notes"]} == {said}
    assert found["page"] == f"<p>{said}</p>"
    assert all(found["metrics"][key] == [said] for key in ("reasons", "warnings", "skipped", "untested"))
    assert found["metrics"]["protocol"] == text, "protocols are compared"
    assert asdict(say_result(result, "image")) == asdict(result)


def test_a_training_counts_the_items_of_its_medium(capsys: pytest.CaptureFixture[str]) -> None:
    print_message(str(Event(3, 1000, "mode collapse", "far from real images", "stopped")), "clip")
    assert capsys.readouterr().err.startswith("ganline train: 1,000 clips (step 3): mode collapse: far from real clips")


def test_errors_know_the_medium_of_parameters_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert read_medium(path) == "image"
    for text, expected in (("data: {medium: audio, no: 1}", "audio"), ("data: [", "image"), ("data: 3", "image")):
        path.write_text(text)
        assert read_medium(path) == expected
