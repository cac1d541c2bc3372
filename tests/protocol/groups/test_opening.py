# SPDX-License-Identifier: Apache-2.0
"""The opening record and the group: one consultation, one hash, one first roster."""

from dataclasses import replace
from functools import partial

import pytest

from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.groups.extension import amended
from protocol.groups.opening import founding_extension, rank, verify_continuation, verify_opening
from protocol.identifiers import AuthorityId, NodeId, NodeName
from protocol.record import Record, record_hash
from tests.support.letters import letter_record
from tests.support.refusals import refused

RECORD: Record = letter_record()
OPENING = RECORD.to_bytes()
FOUNDING = founding_extension(OPENING)
FIRST = NodeName(RECORD.recipients[0], NodeId("main"))


def test_a_group_is_founded_as_its_opening_says() -> None:
    assert FOUNDING.consultation == RECORD.consultation
    assert FOUNDING.hub == NodeName(RECORD.author.authority, RECORD.author.node)
    assert FOUNDING.roster == tuple(sorted([RECORD.author.authority, *RECORD.recipients]))
    assert FOUNDING.opening.hex() == record_hash(OPENING)
    assert (FOUNDING.policy_version, FOUNDING.successors) == (1, ())
    FOUNDING.to_bytes()
    verify_opening(FOUNDING, OPENING)
    verify_opening(founding_extension(OPENING, [FIRST]), OPENING)


def test_later_the_roster_speaks() -> None:
    later = amended(FOUNDING, hub=FIRST, roster=[*FOUNDING.roster, AuthorityId("xz-new")])
    verify_opening(later, OPENING)


def test_another_opening_or_another_roster_is_refused() -> None:
    wrong = [
        replace(FOUNDING, opening=bytes(32)),
        replace(FOUNDING, consultation=type(FOUNDING.consultation)("019f1d03-8dc1-7000-8000-000000000001")),
        replace(FOUNDING, hub=FIRST),
        replace(FOUNDING, hub=FOUNDING.hub._replace(node=NodeId("second"))),
        replace(FOUNDING, roster=(*FOUNDING.roster, AuthorityId("xz-new"))),
    ]
    for extension in wrong:
        refused(partial(verify_opening, extension, OPENING), ReasonCode.REFUSED)
    for extension in wrong[:2]:
        refused(partial(verify_opening, replace(extension, policy_version=2), OPENING), ReasonCode.REFUSED)
    other = letter_record(legal_basis=("another",)).to_bytes()
    refused(lambda: verify_opening(FOUNDING, other), ReasonCode.REFUSED)


def test_what_is_no_record() -> None:
    with pytest.raises(RemoteProtocolError):
        verify_opening(FOUNDING, b"{}")


def test_a_successor_continues_with_those_who_belonged() -> None:
    last = founding_extension(OPENING, [FIRST])
    third = AuthorityId("xz-third")
    good = amended(last, hub=FIRST, successors=[last.hub])
    verify_continuation(last, good)
    for new in (
        amended(last, hub=NodeName(FIRST.authority, NodeId("second")), successors=[]),
        amended(last, successors=[]),
        amended(last, hub=FIRST, successors=[], roster=[*last.roster, third]),
        replace(good, policy_version=1),
        replace(good, policy_version=3),
        replace(good, opening=bytes(32)),
        replace(good, consultation=type(last.consultation)("019f1d03-8dc1-7000-8000-000000000009")),
    ):
        refused(partial(verify_continuation, last, new), ReasonCode.REFUSED)
    three = amended(last, roster=[*last.roster, third])
    verify_continuation(three, amended(three, hub=FIRST, successors=[]))
    left_out = amended(three, hub=FIRST, successors=[], roster=last.roster)
    refused(partial(verify_continuation, three, left_out), ReasonCode.REFUSED)
    refused(partial(verify_continuation, three, good), ReasonCode.REFUSED)


def test_of_several_groups_one_counts() -> None:
    second = NodeName(FIRST.authority, NodeId("second"))
    last = founding_extension(OPENING, [FIRST, second])
    in_order = [
        rank(last, NodeName(FIRST.authority, NodeId("other")), 2),
        rank(last, second, 2),
        rank(last, FIRST, 2),
        rank(last, None, 2),
        rank(last, second, 3),
    ]
    assert in_order == sorted(in_order)
    assert rank(last, None, 1) < in_order[0]
