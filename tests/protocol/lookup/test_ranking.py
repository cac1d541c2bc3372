# SPDX-License-Identifier: Apache-2.0
"""The order of what is found, and the reasons for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from protocol.directory.contacts import ContactRole, Function
from protocol.directory.entries import AuthorityEntry
from protocol.directory.profile.codes import Power
from protocol.lookup.documents import asked_marks, document_of
from protocol.lookup.duty import UNKNOWN, Duty
from protocol.lookup.queries import Found, Reason, ReasonKind, Search
from protocol.lookup.ranking import Moment, fits, rank, speaks, standing_of
from tests.support.clock import START
from tests.support.directory import sample_contact, sample_network, sample_profile

A, B, C = (replace(entry, profile=sample_profile()) for entry in sample_network().state.authorities)


def ranked(
    search: Search, *entries: AuthorityEntry, words: Sequence[float] = (), duty: Duty = UNKNOWN, **more: bool
) -> Found:
    shares = words or [0.0] * len(entries)
    candidates = [
        (entry.authority, share, standing_of(entry, START))
        for entry, share in zip(entries, shares, strict=True)
    ]
    by_id = {entry.authority: entry for entry in entries}
    return rank(search, candidates, by_id.get, Moment(START, lambda _contact: duty), **more)


def ids(found: Found) -> list[str]:
    return [hit.entry.authority for hit in found.hits]


def kinds(found: Found) -> list[ReasonKind]:
    return [reason.kind for reason in found.hits[0].reasons]


def test_equals_go_by_id_and_words_before_ids() -> None:
    assert ids(ranked(Search(), C, A, B)) == ["xa-acc", "xb-ibu", "xc-aco"]
    assert ids(ranked(Search(text="beta"), A, B, words=(0.2, 1.0))) == ["xb-ibu", "xa-acc"]
    assert ids(ranked(Search(text=" XC-ACO "), A, C, words=(1.0, 0.1))) == ["xc-aco", "xa-acc"]


def test_who_is_stopped_or_stale_stands_lower_and_it_is_said() -> None:
    stopped = replace(A, suspended_by_officers=True)
    found = ranked(Search(), stopped, B)
    assert ids(found) == ["xb-ibu", "xa-acc"]
    assert Reason(ReasonKind.NOT_IN_EXCHANGE, "SUSPENDED") in found.hits[1].reasons
    old = replace(
        A, profile=None, contacts=(sample_contact(confirmed_at=START.date() - timedelta(days=212)),)
    )
    found = ranked(Search(), old, B)
    assert ids(found) == ["xb-ibu", "xa-acc"]
    (stale,) = [reason for reason in found.hits[1].reasons if reason.kind is ReasonKind.STALE]
    assert stale.detail == "212"
    assert stale.kind.warns
    assert ReasonKind.NO_KEYS in kinds(ranked(Search(), replace(A, nodes=())))


def test_every_thing_asked_is_a_reason() -> None:
    search = Search(
        text="alpha",
        country="XA",
        function=Function.ASSET_RECOVERY,
        power=Power.BANK_ACCESS,
        network="GLOBE",
        language="fr",
    )
    found = ranked(search, A, words=(1.0,))
    assert kinds(found)[:6] == ["WORDS", "COUNTRY", "FUNCTION", "POWER", "NETWORK", "LANGUAGE"]
    assert kinds(ranked(search, A, words=(1.0,), all_words=False))[0] is ReasonKind.SOME_WORDS
    assert kinds(ranked(Search(text="xa-acc"), A))[0] is ReasonKind.ID


def test_on_duty_leaves_out_who_is_not() -> None:
    awake, asleep = Duty(on=True), Duty(on=False, until=START + timedelta(hours=6))
    plain = replace(A, profile=None)
    assert ids(ranked(Search(on_duty=True), plain, duty=awake)) == ["xa-acc"]
    assert ids(ranked(Search(on_duty=True), plain, duty=asleep)) == []
    assert ids(ranked(Search(on_duty=True), A, duty=asleep)) == ["xa-acc"], "it answers at any hour"
    assert ReasonKind.ON_DUTY in kinds(ranked(Search(), plain, duty=awake))
    (reason,) = [
        one for one in ranked(Search(), plain, duty=asleep).hits[0].reasons if one.kind == "OFF_DUTY"
    ]
    assert reason.detail == (START + timedelta(hours=6)).isoformat()


def test_contact_points_are_those_that_fit() -> None:
    contacts = (
        sample_contact("a", functions=(Function.MLA,), languages=("ar",), role=ContactRole.DEPUTY),
        sample_contact("b", functions=(Function.MLA,), languages=("fr",), role=ContactRole.PRIMARY),
        sample_contact("c", functions=(Function.PREVENTION,), languages=("ar",)),
        sample_contact("d", name="Seizures desk", valid_to=START.date() - timedelta(days=1)),
    )
    entry = replace(A, contacts=contacts, profile=None)
    found = ranked(Search(function=Function.MLA), entry)
    assert [hit.contact.id for hit in found.hits[0].contacts] == ["b", "a"]
    found = ranked(Search(function=Function.MLA, language="ar"), entry)
    assert [hit.contact.id for hit in found.hits[0].contacts] == ["a"]
    assert ids(ranked(Search(function=Function.EXTRADITION), entry)) == []
    assert not fits(contacts[3], Search(), START.date())
    named = replace(A, contacts=(sample_contact("a"), sample_contact("z", name="Seizures desk")))
    assert ranked(Search(text="seizures"), named).hits[0].contacts[0].contact.id == "z"


def test_the_limit_is_kept_and_more_is_said() -> None:
    found = ranked(Search(limit=2), A, B, C)
    assert len(found.hits) == 2
    assert not found.complete
    assert ranked(Search(limit=3), A, B, C).complete


def test_a_language_is_found_by_its_first_part() -> None:
    assert speaks(("pt-BR",), "pt")
    assert speaks(("en",), "EN")
    assert not speaks(("pt-BR",), "p")
    assert not speaks(("en",), "e")


def test_a_document_has_words_and_marks_but_no_address() -> None:
    contact = sample_contact(languages=("pt-BR",), functions=(Function.MLA,))
    document = document_of(replace(A, contacts=(contact,)), lambda _country: ("Alphaland",))
    assert "alphaland" in document.about.split()
    assert "globe" in document.about.split()
    assert {"cxa", "pbankaccess", "nglobe", "fmlaxlpt", "fmlaxlptbr", "fassetrecoveryxlfr"} <= set(
        document.marks.split()
    )
    assert "fmlaxlfr" not in document.marks.split()
    for search in (
        Search(country="XA", power=Power.BANK_ACCESS, network="GLOBE"),
        Search(function=Function.MLA, language="pt"),
        Search(function=Function.MLA),
        Search(language="sw"),
    ):
        assert set(asked_marks(search)) <= set(document.marks.split())
