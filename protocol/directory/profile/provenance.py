# SPDX-License-Identifier: Apache-2.0
"""Where a part of a profile comes from and how fresh it is. Not who signed it: that is the statement's."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.directory.fields import Day, Fields, Line, OptionalDay, OptionalLine, bad_field

STALE_DAYS = 180
"""After so many days without confirmation a view warns."""
MAX_VERSION = 1_000_000


class Provenance(Fields):
    """Who vouches for a part of a profile.

    Attributes:
        submitted_by: the office that wrote it.
        approved_by: the office that approved it, or empty.
        version: counts what the authority published of this part, from 1.
        confirmed_at: the day somebody last confirmed that it is right.
        next_confirmation: the day by which somebody will again, or None.
        source: the law, decision or document it was taken from, or empty.
    """

    submitted_by: Line
    approved_by: OptionalLine
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    confirmed_at: Day
    next_confirmation: OptionalDay
    source: OptionalLine

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.next_confirmation is not None and self.next_confirmation < self.confirmed_at:
            raise bad_field("next_confirmation: before confirmed_at")
        return self

    def is_stale_on(self, day: date) -> bool:
        """Whether a view should warn: nobody confirmed it for long, or the promised day has passed."""
        return is_stale(self.confirmed_at, day) or (
            self.next_confirmation is not None and day > self.next_confirmation
        )


def is_stale(confirmed_at: date, day: date) -> bool:
    """Whether something was confirmed too long before a day."""
    return (day - confirmed_at).days > STALE_DAYS
