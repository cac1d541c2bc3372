# SPDX-License-Identifier: Apache-2.0
"""Operations by name: arguments are strict, outcomes have a form, acts need the running node."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.api.arguments import DraftArguments, ListArguments, parse_arguments
from globe_node.api.operations import ACTS, READS, Operations
from globe_node.cli.backend import objects
from globe_node.errors import NodeError, NotFoundError, UsageError
from protocol.canonical import JSONObject, to_bytes
from protocol.errors import ProtocolError, ReasonCode
from tests.support.nodes import A, Town, in_town, request, rooms


@in_town
async def test_reading_needs_no_running_node(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request(title="a title"))
    operations = Operations(rooms(town), None)
    listed = await operations.run("consult.list", {})
    assert [case["subject"] for case in objects(listed["consultations"])] == ["a title"]
    shown = await operations.run("consult.show", {"consultation": sent.consultation})
    assert b"a road contract" not in to_bytes(shown).lower()
    receipts = await operations.run("consult.receipts", {"consultation": sent.consultation})
    assert receipts["state"] == "SENT"
    assert (await operations.run("audit.verify", {}))["ok"] is True
    assert (await operations.run("audit.list", {"kinds": ["SUBMITTED"]}))["entries"]
    assert (await operations.run("directory.heads", {}))["network"] == town.network.fingerprint
    health = await operations.run("health", {})
    assert (health["authority"], health["quarantined"]) == (A, 0)


@in_town
async def test_acting_needs_the_running_node(town: Town) -> None:
    operations = Operations(rooms(town), None)
    for name in ACTS:
        with pytest.raises(NodeError, match="not running"):
            await operations.run(name, {})
    with pytest.raises(NotFoundError):
        await operations.run("consult.delete", {})
    assert not set(ACTS) & set(READS)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"limit": 0}, ReasonCode.BAD_FIELD),
        ({"limit": "5"}, ReasonCode.BAD_FIELD),
        ({"limt": 5}, ReasonCode.UNKNOWN_FIELD),
        ({"states": "SENT"}, ReasonCode.BAD_FIELD),
    ],
)
def test_arguments_are_strict(arguments: JSONObject, code: ReasonCode) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(ListArguments, arguments)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "NOTHING"},
        {"to": ["Not An Id"]},
        {"consultation": "x"},
        {"in_reply_to": "x"},
        {"attachments": [{"name": "x", "data": "%%"}]},
        {"deadline_seconds": 0},
        {"handling": 5},
    ],
)
def test_a_bad_draft_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises((NodeError, ProtocolError)):
        parse_arguments(DraftArguments, {"type": "CLOSE", "body": {}, **changes}).draft()


JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(DraftArguments.model_fields)), JSON, max_size=4))
def test_any_arguments_are_a_draft_or_a_named_error(value: dict[str, Any]) -> None:
    with contextlib.suppress(NodeError, ProtocolError):
        parse_arguments(DraftArguments, value).draft()
