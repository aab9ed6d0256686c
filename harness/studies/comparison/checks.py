"""What a comparison may insist on, as tables of its file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.studies.comparison.field_checks import (
    ApartCheck,
    CloserCheck,
    FieldCheck,
    ReachCheck,
    StillCheck,
)
from harness.studies.comparison.tone_checks import EqualCheck, FasterCheck, HalfLifeCheck, OrderCheck

AnyCheck = Annotated[
    FieldCheck
    | HalfLifeCheck
    | OrderCheck
    | EqualCheck
    | FasterCheck
    | StillCheck
    | ReachCheck
    | ApartCheck
    | CloserCheck,
    Field(discriminator="kind"),
]
