"""Settings of MuseGAN as an accompanist."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.variants.musegan.settings import PieceSettings


class AccompanimentSettings(PieceSettings):
    """MuseGAN (Dong 2018) from a given track: the other voices or tracks of a piece whose first ones are given."""

    task: ClassVar[str] = "restore"
    variant: Literal["accompaniment"] = "accompaniment"
    given: int = Field(
        1,
        ge=1,
        le=15,
        description="voices or tracks that are given, from the first one on; name the track with the chords first in "
        "data.tracks to accompany chords",
    )
