"""The contract of a medium: what one item is. This part imports without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pipeline.errors import InputError
from pipeline.media.codec import BadItem, Bounds, Encoded, Fact, Item, TransformInput
from pipeline.media.graph_items import GraphItems
from pipeline.media.restoration import RestorationWords, Similarity
from pipeline.media.settings import DataSettings
from pipeline.media.validation import Defect, Expectation, ValidationSettings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float64Array, FloatArray, Items
    from pipeline.items import ItemSpec
    from pipeline.measure import Measure
    from pipeline.media.alteration import Alteration
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors


class BuiltinSource(Protocol):
    """A source of files that a medium brings along. Its folders mean what those of any source mean: split and class."""

    name: str

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield names, with `/` between folders, and what loads the bytes; the same at every call.

        A loader raises BadItem for a file that cannot be had.
        """
        ...


@runtime_checkable
class CaptionedSource(BuiltinSource, Protocol):
    """A built-in source whose files have captions."""

    def caption(self, path: str) -> str:
        """Return the text that describes a file."""
        ...


class Medium(GraphItems, ABC):
    """What one item of the data is. One subclass a medium, in a package of its own, and one line in the registry.

    Attributes:
        name: The value of `data.medium`.
        noun: One item in words; its plural ends in s.
        file_types: The files that `decode` reads, in words.
        example_file: A file name for examples.
        suffixes: Suffixes of such files, lower case with the dot.
        arrays: NumPy arrays can be a source: `encode` writes their rows as files that `decode` reads exactly.
        formats: Suffixes that `encode` writes, with their MIME types; the first is the default.
        lossy_formats: Those that have a quality.
        Settings: The medium's part of `data:` in params.yaml.
        Validation: The medium's part of `validate:` in params.yaml.
        facts: Columns that `decode` adds to the manifest.
        transforms: Models may transform items: `decode_one` and `encode_result` read and write their files.
        transformable: Setting that makes items ones that models transform, if only some are; else empty.
        partner_facts: Facts in which the partners of a pair from two folders must agree.
        restoration: What the model card says of a model that restores items.
        similarities: How restored items are compared with their originals; empty: as pictures.
        sources: Built-in sources, as messages list them.
        lasts: The height of an item is time, so a model transforms items of any length, window by window.
        moves: Items move, which a sheet of them does not show: reports also show single ones by `html`.
        flips: Mirroring an item gives another plausible item (train.flips).
        augmentations: Policies of model.stabilisers.augment that make sense; see `suitable_augmentations`.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    file_types: ClassVar[str]
    example_file: ClassVar[str] = "item"
    suffixes: ClassVar[frozenset[str]]
    arrays: ClassVar[bool] = False
    formats: ClassVar[Mapping[str, str]]
    lossy_formats: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[DataSettings]]
    Validation: ClassVar[type[ValidationSettings]] = ValidationSettings
    facts: ClassVar[tuple[Fact, ...]] = ()
    transforms: ClassVar[bool] = False
    transformable: ClassVar[str] = ""
    partner_facts: ClassVar[tuple[str, ...]] = ()
    restoration: ClassVar[RestorationWords] = RestorationWords()
    similarities: ClassVar[tuple[Similarity, ...]] = ()
    sources: ClassVar[tuple[str, ...]] = ()
    lasts: ClassVar[bool] = False
    moves: ClassVar[bool] = False
    flips: ClassVar[bool] = False
    augmentations: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def spec(self, settings: Any, classes: tuple[str, ...]) -> ItemSpec:
        """Return the items that these settings make; of pairs, one side."""

    def kind(self, spec: ItemSpec) -> str:
        """Return what one item of this spec is, in words; its plural ends in s."""
        return self.noun

    def extent(self, height: int, width: int) -> str:
        """Return the size of an item in words."""
        return f"{height} x {width}"

    def bundles(self, settings: Any) -> bool:
        """Return whether the files of a folder are one item; `decode` gets their bundle (`pipeline.media.bundle`)."""
        return False

    @abstractmethod
    def decode(self, data: bytes, settings: Any) -> Iterator[Item]:
        """Yield the items of one file, in order; a file may hold many (cuts of a recording, windows of a piece).

        If `settings.pairs` puts both partners into one item, A is its left half and B its right half.

        Raises:
            BadItem: The file cannot be used. None of its items is stored then.
        """

    def baseline(self, given: Items, originals: Items, spec: ItemSpec) -> Items:
        """Return degraded items [n, H, W, C] restored without learning, which a model must beat.

        It may know the originals, to choose the best of its settings. Only media with `similarities` have one.
        """
        return given

    def with_range(self, settings: Any, bounds: Sequence[Bounds]) -> Any:
        """Return settings that state the range of stored values, found from the bounds of all files.

        Args:
            settings: Those that the files were decoded with; returned unchanged if they state a range.
            bounds: Of integers, of floats, or of both.
        """
        return settings

    def with_details(self, settings: Any, spec: ItemSpec) -> Any:
        """Return settings that decode new files as those of a data set with items of `spec` were decoded."""
        return settings

    def remarks(self, items: pd.DataFrame) -> list[str]:
        """Return remarks on the facts of new items that were decoded with `with_details`."""
        return []

    def suitable_augmentations(self, settings: Any) -> frozenset[str]:
        """Return the policies of model.stabilisers.augment that make sense for items stored by these settings."""
        return self.augmentations

    def transforms_items(self, settings: Any) -> bool:
        """Return whether models may transform items that are stored by these settings."""
        return self.transforms

    def encoded_size(self, data: bytes) -> tuple[int, int]:
        """Return height and width of an encoded item from its header, without decoding it. Raises BadItem."""
        raise BadItem(f"{self.noun}s cannot be transformed")

    def decode_one(self, data: bytes, spec: ItemSpec, *, own_size: bool, largest: int) -> TransformInput:
        """Decode the one item of a file as an exported graph takes it.

        Args:
            own_size: Keep the item's height and width instead of fitting it to those of `spec`.
            largest: Bound of height x width of the file.

        Raises:
            BadItem: The file cannot be used.
        """
        raise BadItem(f"{self.noun}s cannot be transformed")

    @abstractmethod
    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return one item [H, W, C] as a file of one of `formats`, by default the first."""

    def join(self, batch: Items, spec: ItemSpec) -> tuple[Items, ItemSpec] | None:
        """Return items [n, H, W, C] that last in time as one long item, one after another, and the spec of that.

        None for a medium whose items cannot follow each other, such as pictures.
        """
        return None

    def animate(
        self, batch: Items, spec: ItemSpec, suffix: str, columns: int | None = None, cell: int = 64
    ) -> Encoded | None:
        """Return items [n, H, W, C] that move as a sheet on which all of them do, as a file of one of `formats`.

        None for a medium whose items do not move, and for formats that do not. Arguments as in `preview`.
        """
        return None

    def sound(self, spec: ItemSpec) -> tuple[str, ItemSpec]:
        """Return the output of a vocoder in exported graphs, and the spec of the items in it.

        Raises:
            InputError: Nothing of these items can be made audible.
        """
        raise InputError(f"export.vocoder: {self.noun}s of data.medium {self.name} have no spectrogram; set it to null")

    def measured(self, items: Items, spec: ItemSpec, wanted: ItemSpec) -> Items:
        """Return items of a graph as items of the data, if the graph returns others (see `sound`)."""
        return items

    def reread(self, items: Items, spec: ItemSpec) -> Items | None:
        """Return items [n, H, W, C] as they are after `encode` has written them and `decode` has read them.

        None for a medium whose files hold its items without a change that matters.
        """
        return None

    @property
    def has_pictures(self) -> bool:
        """Whether a file of the default format is a picture; the items of other media are shown by `html`."""
        return next(iter(self.formats.values())).startswith("image/")

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
        """Return the result of a transformation [H, W, C] as a file, with the properties of its source.

        Args:
            quality: Quality of a lossy format, 1 to 100; None for the default.
            keeps_colours: The result shows what the source shows; if the source is gray, the result is, too.
        """
        return self.encode(values, spec, suffix)

    @abstractmethod
    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw items [n, H, W, C] on one sheet, row by row.

        Args:
            columns: Items in a row; None chooses.
            cell: Small items are enlarged by a whole factor to at most so many pixels.
        """

    @abstractmethod
    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return the element that lets a person see, hear or read one item [H, W, C], in reports and on the page."""

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of `statistics`, relative to real items; each reads `data.appearance[name]`."""
        return ()

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return named numbers of each of the items [n, H, W, C], each [n]; none by default."""
        return {}

    def attributes(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return named numbers [n] of what items [n, H, W, C] show, to find edits by; `statistics` by default."""
        return self.statistics(values, spec)

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return curves and maps whose means over two sets are compared, as `data.profiles[name]`; none by default."""
        return ()

    def distances(self, first: Items, second: Items, spec: ItemSpec) -> FloatArray | None:
        """Return distances [n, m] between items [n, H, W, C] and [m, H, W, C]; None: only features are compared."""
        return None

    def alterations(self, spec: ItemSpec) -> Sequence[Alteration]:
        """Return ways to break items that an evaluation learns to recognise; none by default."""
        return ()

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return the `needs` of measures that items of this spec do not meet, such as colours; none by default."""
        return frozenset()

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Return the built-in source that `data.source` names, None if it is not one of this medium's.

        Downloads go below `cache`. Raises InputError for a source that cannot be had.
        """
        return None

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return why items are set aside because of their facts; `items` are the rows that could be decoded."""
        return []

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return what must hold for the facts of the decoded and of the accepted rows."""
        return []

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return numbers over the accepted rows' facts for metrics/validation.json."""
        return {}

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part for items of `spec`. Only here is torch imported."""
        from pipeline.media.tensors import Tensors

        return Tensors(spec)
