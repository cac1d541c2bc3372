# SPDX-License-Identifier: Apache-2.0
"""What the story claims of a consultation, held against what `consult show --json` says of it.

A step that did not happen breaks the story off: a command that ended well is not enough.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.stage import StageError


@dataclass(frozen=True, slots=True)
class Group:
    """Who can read what is said.

    Attributes:
        epoch: how often keys or members have changed.
        members: the authorities, sorted.
        absent: those of them that have no keys in it now.
        confirmed: whether each of them has said that it sees the same.
    """

    epoch: int
    members: tuple[str, ...]
    absent: tuple[str, ...]
    confirmed: bool


def group_in(view: Mapping[str, Any]) -> Group:
    """Return the group of a consultation."""
    group = view["summary"]["group"]
    is_open = group["status"] == "open"
    return Group(
        epoch=int(group["epoch"]),
        members=tuple(group["members"]),
        absent=tuple(group["absent"]),
        confirmed=bool(group["confirmed"]) and is_open,
    )


def later_than(
    before: Group, members: Sequence[str], *, absent: Sequence[str] = ()
) -> Callable[[Group], bool]:
    """Return the claim that a group has gone on since, with these members, and that all of them see it so."""

    def holds(now: Group) -> bool:
        same = now.members == tuple(members) and now.absent == tuple(absent)
        return now.epoch > before.epoch and same and now.confirmed

    return holds


def records_in(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return author and type of each record that is here."""
    return sorted((record["author"], record["message_type"]) for record in view["records"])


def require_only_own_time(view: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Check that somebody who was added has the record that added it, and none that was said before.

    Args:
        view: as the added authority sees the consultation.
        before: as another one saw it before.

    Raises:
        StageError: it has more, or that record is missing.
    """
    earlier = {record["record_id"] for record in before["records"]}
    types = [record["message_type"] for record in view["records"]]
    if earlier.intersection(record["record_id"] for record in view["records"]):
        raise StageError("who was added has something that was said before")
    if not earlier or types != ["MEMBERS"]:
        raise StageError(f"who was added has {types}, and not what added it")


def require_said(answer: str, *texts: str) -> None:
    """Check that a command said all of this, whatever else it said.

    Raises:
        StageError: it did not say one of them.
    """
    for text in texts:
        if text not in answer:
            raise StageError(f"nobody said: {text}")
