# SPDX-License-Identifier: Apache-2.0
"""Looking up contact persons leaves an event; looking at authorities does not."""

import pytest

from globe_node.directory.lookup import search, show
from protocol.audit.events import EventKind
from protocol.directory.contacts import Function
from protocol.directory.entries import Query
from protocol.directory.statements import RetireContact
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from tests.support.clock import START
from tests.support.directory import sample_network, updated

STATE = sample_network().state
A = AuthorityId("xa-acc")
WITHOUT = STATE.apply(updated(STATE, "xa-acc", RetireContact(id="duty")))


def test_a_search_that_shows_contact_points_is_an_act() -> None:
    query = Query(country="XA", function=Function.ASSET_RECOVERY, language="fr", name="duty desk")
    found = search(STATE, query, at=START, officer="p-17")
    assert [hit.entry.authority for hit in found.hits] == [A]
    assert found.event is not None
    assert found.event.kind is EventKind.DIRECTORY_LOOKUP
    assert found.event.officer == "p-17"
    assert found.event.result == "country=XA,function=ASSET_RECOVERY,language=fr,name,contacts=1"
    assert found.event.values()


def test_a_search_that_shows_none_is_not() -> None:
    assert search(STATE, Query(country="XZ"), at=START).event is None
    found = search(WITHOUT, Query(country="XA"), at=START)
    assert [hit.contacts for hit in found.hits] == [()]
    assert found.event is None


def test_to_show_an_entry_is_an_act_if_it_names_contact_points() -> None:
    entry, event = show(STATE, A, at=START)
    assert entry.authority == A
    assert event is not None
    assert (event.peer, event.result) == (A, "contacts=1")
    assert show(WITHOUT, A, at=START)[1] is None


def test_an_unknown_authority_is_named() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        show(STATE, AuthorityId("xz-none"), at=START)
    assert caught.value.code is ReasonCode.UNKNOWN_AUTHORITY
