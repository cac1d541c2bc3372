# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from typing import Any

import pytest

from demo.claims import (
    Group,
    group_in,
    later_than,
    records_in,
    require_only_own_time,
    require_said,
)
from demo.messages import CONTACTS, LAW_AND_HELP, PROFILE
from demo.stage import StageError
from globe_node.directory.declaration_file import parse_declaration


def record(number: int, author: str, message_type: str) -> dict[str, str]:
    return {"record_id": f"r{number}", "author": author, "message_type": message_type}


BEFORE = {"records": [record(1, "xa-acc", "CONSULT_REQUEST"), record(2, "xb-ibu", "ACK")]}
CHANGE = record(3, "xa-acc", "MEMBERS")


def view(**group: Any) -> dict[str, Any]:
    found = {"status": "open", "epoch": 2, "members": ["xa-acc", "xb-ibu"], "absent": [], "confirmed": True}
    return {"summary": {"group": {**found, **group}}}


def test_a_group_is_what_the_command_says_of_it() -> None:
    assert group_in(view()) == Group(2, ("xa-acc", "xb-ibu"), (), confirmed=True)
    assert group_in(view(absent=["xb-ibu"])).absent == ("xb-ibu",)


@pytest.mark.parametrize("group", [{"confirmed": False}, {"status": "lost"}])
def test_a_group_is_confirmed_only_if_it_is_open_and_all_have_said_so(group: dict[str, Any]) -> None:
    assert not group_in(view(**group)).confirmed


NOW = Group(3, ("xa-acc", "xb-ibu"), (), confirmed=True)


def test_a_group_has_gone_on_when_all_see_its_members_in_a_later_epoch() -> None:
    before = replace(NOW, epoch=2)
    assert later_than(before, NOW.members)(NOW)
    assert later_than(before, NOW.members, absent=["xb-ibu"])(replace(NOW, absent=("xb-ibu",)))


@pytest.mark.parametrize(
    "now",
    [
        replace(NOW, epoch=2),
        replace(NOW, members=("xa-acc",)),
        replace(NOW, absent=("xb-ibu",)),
        replace(NOW, confirmed=False),
    ],
    ids=["the same epoch", "other members", "somebody is absent", "not confirmed"],
)
def test_the_story_waits_for_a_group_that_has_not_gone_on_so(now: Group) -> None:
    assert not later_than(replace(NOW, epoch=2), NOW.members)(now)


def test_who_was_added_has_what_added_it_and_nothing_else() -> None:
    require_only_own_time({"records": [CHANGE]}, BEFORE)


@pytest.mark.parametrize(
    ("there", "before"),
    [
        ([CHANGE, BEFORE["records"][0]], BEFORE),
        ([BEFORE["records"][0]], BEFORE),
        ([CHANGE, record(4, "xb-ibu", "ANSWER")], BEFORE),
        ([], BEFORE),
        ([CHANGE], {"records": []}),
    ],
    ids=["something from before too", "only that", "something else", "nothing", "there was nothing before"],
)
def test_the_story_breaks_off_if_who_was_added_has_more_or_less(there: Any, before: dict[str, Any]) -> None:
    with pytest.raises(StageError):
        require_only_own_time({"records": there}, before)


def test_records_are_compared_by_author_and_type() -> None:
    assert records_in(BEFORE) == [("xa-acc", "CONSULT_REQUEST"), ("xb-ibu", "ACK")]


def test_the_story_breaks_off_if_a_command_did_not_say_what_is_claimed() -> None:
    require_said("xb-ibu  informally", "xb-ibu", "informally")
    with pytest.raises(StageError, match="nobody said: formal"):
        require_said("xb-ibu  informally", "xb-ibu", "formal request")


def test_what_the_authorities_of_the_story_publish_is_taken() -> None:
    for text in (CONTACTS + PROFILE, CONTACTS + PROFILE + LAW_AND_HELP):
        assert parse_declaration(text.encode(), "contacts.toml").profile is not None
