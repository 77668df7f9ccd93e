"""The one base of every settings class: immutable, and strict about unknown keys."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A typo in a key never passes silently, and nothing downstream can change a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
