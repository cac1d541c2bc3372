# SPDX-License-Identifier: Apache-2.0
"""Every structure of the outside data is read, written from its fields alone, and read again."""

from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import MalformedError, ReasonCode
from protocol.limits import MAX_MLS_VECTOR_BYTES
from protocol.mls.structures.group_info import GroupInfo, Welcome, parse_group_secrets
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import PrivateMessage, PublicMessage, parse_mls_message
from protocol.mls.structures.nodes import parse_ratchet_tree, ratchet_tree_bytes
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
    parse_commit,
)
from protocol.mls.structures.vectors import octets_of, parse_whole
from protocol.octets import MAX_VECTOR_BYTES, Reader, op
from tests.support.mls_octets import afresh
from tests.support.vectors import vector_json

MESSAGES: dict[str, type] = {
    "mls_welcome": Welcome,
    "mls_group_info": GroupInfo,
    "mls_key_package": KeyPackage,
    "public_message_application": PublicMessage,
    "public_message_proposal": PublicMessage,
    "public_message_commit": PublicMessage,
    "private_message": PrivateMessage,
}
PROPOSALS: dict[str, Callable[[Reader], Any]] = {
    "add_proposal": Add.read,
    "update_proposal": Update.read,
    "remove_proposal": Remove.read,
    "pre_shared_key_proposal": PreSharedKey.read,
    "re_init_proposal": ReInit.read,
    "external_init_proposal": ExternalInit.read,
    "group_context_extensions_proposal": GroupContextExtensions.read,
}
OTHERS: dict[str, Callable[[bytes], Any]] = {"group_secrets": parse_group_secrets, "commit": parse_commit}


def check(name: str, data: bytes) -> None:
    if name in MESSAGES:
        message = parse_mls_message(data)
        assert type(message.body) is MESSAGES[name]
        assert octets_of(message) == octets_of(afresh(message)) == data
    elif name in PROPOSALS:
        proposal = parse_whole(PROPOSALS[name], data)
        assert octets_of(proposal) == octets_of(afresh(proposal)) == data
    elif name == "ratchet_tree":
        nodes = parse_ratchet_tree(data)
        assert ratchet_tree_bytes(nodes) == ratchet_tree_bytes(afresh(nodes)) == data
    else:
        value = OTHERS[name](data)
        assert value.to_bytes() == afresh(value).to_bytes() == data


@pytest.mark.vectors
def test_messages() -> None:
    cases = vector_json("mls-implementations/messages.json")
    for case in cases:
        assert set(case) == {*MESSAGES, *PROPOSALS, *OTHERS, "ratchet_tree"}
        for name, text in case.items():
            check(name, bytes.fromhex(text))
    assert len(cases) == 300


@pytest.mark.vectors
def test_deserialization() -> None:
    """All lengths but one; a vector of 2^30 - 1 octets is over our limit of 16 MiB, by decision."""
    cases = {case["length"]: bytes.fromhex(case["vlbytes_header"]) for case in data_of_lengths()}
    refused = {length for length in cases if length > MAX_MLS_VECTOR_BYTES}
    assert refused == {MAX_VECTOR_BYTES}
    for length in cases.keys() - refused:
        vector = op(bytes(length))
        assert vector[: len(vector) - length] == cases[length]
        assert Reader(vector).op(MAX_MLS_VECTOR_BYTES) == bytes(length)
    with pytest.raises(MalformedError) as raised:
        Reader(cases[MAX_VECTOR_BYTES] + bytes(100)).op(MAX_MLS_VECTOR_BYTES)
    assert raised.value.code == ReasonCode.TOO_LARGE
    assert len(cases) == 14


def data_of_lengths() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = vector_json("mls-implementations/deserialization.json")
    return cases
