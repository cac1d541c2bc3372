# SPDX-License-Identifier: Apache-2.0
"""The public sees what is always public and what its authority opened; nothing else, field by field."""

from dataclasses import replace

import pytest

from protocol.canonical import to_bytes
from protocol.directory.contacts import Visibility
from protocol.directory.profile.organisation import OpenPart
from protocol.lookup.public import ALWAYS_PUBLIC, OF_CONTACT, public_view
from tests.support.clock import START
from tests.support.directory import (
    sample_contact,
    sample_legal,
    sample_measure,
    sample_network,
    sample_profile,
)

BARE = sample_network().state.authorities[0]
CONTACTS = (
    sample_contact("seen", visibility=Visibility.PUBLIC, nominated_by="Head of desk"),
    sample_contact("unseen", name="Inner desk"),
    sample_contact("over", visibility=Visibility.PUBLIC, valid_to=START.date().replace(day=1)),
)
ENTRY = replace(BARE, contacts=CONTACTS, legal=sample_legal(), measures=(sample_measure(),))
OF_PROFILE = {OpenPart.OFFICE, OpenPart.CHANNELS, OpenPart.DUTY, OpenPart.SERVICE}


@pytest.mark.parametrize("part", list(OpenPart))
def test_a_part_is_seen_only_when_it_is_opened(part: OpenPart) -> None:
    for opened in ((), (part,)):
        view = public_view(replace(ENTRY, profile=sample_profile(public=opened)), START)
        place = view["profile"] if part in OF_PROFILE else view
        assert isinstance(place, dict)
        assert (part.value in place) is bool(opened)


def test_with_nothing_opened_the_public_sees_exactly_this() -> None:
    view = public_view(replace(ENTRY, profile=sample_profile(public=())), START)
    assert set(view) == {"authority", "country", "names", "kind", "status", "contacts", "profile"}
    assert isinstance(view["profile"], dict)
    assert set(view["profile"]) == {*ALWAYS_PUBLIC, "confirmed_at"}


def test_contact_points_decide_for_themselves_and_keys_are_never_seen() -> None:
    view = public_view(replace(ENTRY, profile=sample_profile(public=tuple(OpenPart))), START)
    contacts = view["contacts"]
    assert isinstance(contacts, list)
    assert [contact["id"] for contact in contacts if isinstance(contact, dict)] == ["seen"]
    text = to_bytes(view).decode()
    for hidden in ("Inner desk", "Head of desk", BARE.root_key.key_id, BARE.endpoints[0].url):
        assert hidden not in text


def test_of_what_is_opened_the_people_behind_it_stay_among_members() -> None:
    view = public_view(replace(ENTRY, profile=sample_profile(public=tuple(OpenPart))), START)
    legal, measures = view["legal"], view["measures"]
    assert isinstance(legal, dict)
    assert isinstance(measures, list)
    for said in (legal, *measures):
        assert isinstance(said, dict)
        assert "provenance" not in said
        assert said["confirmed_at"] == "2026-02-10"
    contacts = view["contacts"]
    assert isinstance(contacts, list)
    assert [set(contact) for contact in contacts if isinstance(contact, dict)] == [set(OF_CONTACT)]


def test_an_authority_without_a_profile_shows_who_it_is() -> None:
    assert set(public_view(BARE, START)) == {"authority", "country", "names", "kind", "status", "contacts"}
