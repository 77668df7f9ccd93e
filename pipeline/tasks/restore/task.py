"""The task "restore": make a clean item of a degraded one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import InputError
from pipeline.evaluation.settings import Gate as GateBase
from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.model_card import CardWords
from pipeline.tasks.apply_usage import apply_command, apply_usage
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.restore.restoration_measures import MEASURES, measures_for
from pipeline.tasks.restore.settings import RestorationGate, restoration_gate
from pipeline.tasks.restore.similarity_measures import measures_of_similarity
from pipeline.tasks.task import Task, load

if TYPE_CHECKING:
    from pipeline.arrays import Items
    from pipeline.data.batch_sampling import TrainingItems
    from pipeline.data.store import ItemSet
    from pipeline.evaluation.blind_test import BlindTest
    from pipeline.gans.base import GAN
    from pipeline.tasks.base import EvaluationCase, EvaluationResult
    from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel


SIMILARITY_EVALUATOR = "pipeline.tasks.restore.similarity_evaluation:evaluate"


class RestoreTask(Task):
    """Make a clean item of a degraded one."""

    name = "restore"
    Gate = RestorationGate
    views: ClassVar[Mapping[str, str]] = {"degraded": "pipeline.data.views:Degraded"}
    on_host = True  # degradations choose by masks, and JPEG has no form for a GPU
    look_builder = "pipeline.tasks.restore.restoration_look:build_look"
    evaluator = "pipeline.tasks.restore.restoration_evaluation:evaluate"
    blind_test = "pipeline.tasks.restore.blind_items:draw_items"
    headline = tuple(measure.name for measure in MEASURES if measure.headline)
    compared = ("psnr", "fid")
    takes_input = True
    bytes_only = True
    keeps_colours = True

    def gate(self, medium: Medium) -> type[GateBase]:
        return restoration_gate(tuple(self.measures(medium)))

    def compares_bytes(self, medium: Medium) -> bool:
        return not medium.similarities

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        return measures_of_similarity(medium) if medium.similarities else measures_for(medium)

    def evaluator_for(self, medium: Medium) -> str:
        """Return the function that evaluates restored items of a medium: as pictures, or by its own similarities."""
        return SIMILARITY_EVALUATOR if medium.similarities else self.evaluator

    def evaluation_modules(self, medium: Medium) -> tuple[str, ...]:
        return (self.evaluator_for(medium).partition(":")[0], *modules_of(self.measures(medium)))

    def evaluate(self, case: "EvaluationCase") -> "EvaluationResult":
        result: EvaluationResult = load(self.evaluator_for(find_medium(case.info.item.medium)))(case)
        return result

    def evaluate_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "ExportedEvaluation":
        from pipeline.tasks.exported_gan import evaluate_exported

        return evaluate_exported(model, case, load(self.evaluator_for(find_medium(case.info.item.medium))))

    def blind_items(
        self, gan: "GAN", train: "TrainingItems", test: "ItemSet", blind: "BlindTest"
    ) -> tuple["Sequence[Items] | Items", "Sequence[Items] | Items"]:
        medium = find_medium(test.item.medium)
        if medium.similarities:
            raise InputError(f"the task {self.name} has no blind test of {medium.noun}s")
        return super().blind_items(gan, train, test, blind)

    def check_test_split(self, test: "ItemSet") -> None:
        from pipeline.tasks.restore.restoration_evaluation import require_test_images

        require_test_images(test)

    def describe(self, metadata: Metadata) -> str:
        medium = find_medium(metadata.item.medium)
        larger = f", {metadata.scale} times larger" if metadata.scale > 1 else ""
        return f"A network that {medium.restoration.does.format(noun=medium.kind(metadata.item))}{larger}"

    def words(self, medium: Medium) -> CardWords:
        own = medium.restoration
        return CardWords(own.use, own.risk, own.invents)

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        result = find_medium(metadata.item.medium).restoration.result
        return apply_usage(metadata, signature, result, examples=False)

    def try_it(self, medium: Medium) -> str:
        return apply_command(medium, medium.restoration.result)

    def show_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "Items | None":
        if find_medium(case.info.item.medium).similarities:
            return None
        from pipeline.tasks.restore.exported_restorations import restore_some

        return restore_some(model, case)
