# SPDX-License-Identifier: Apache-2.0

"""Searching a whole directory: words of any script, codes, who is at work; and what is logged of it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.samples.generator import sample_authorities
from demo.samples.network import unsigned_state
from globe_node.lookup import calendars, desk
from globe_node.lookup.desk import LookupDesk, Shown
from globe_node.lookup.index import open_index
from protocol.audit.events import EventKind
from protocol.directory.contacts import Function
from protocol.directory.profile.codes import Power
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import RetireContact, Suspension, SuspensionReason
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from protocol.lookup.duty import Schedule, schedule_of
from protocol.lookup.queries import ReasonKind, Search
from protocol.lookup.ranking import speaks
from tests.support.clock import START
from tests.support.directory import raw_statement, sample_network, updated
from tests.support.identities import authority_root

NOON = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
SAMPLES = tuple(sample_authorities(300, 1_200, seed=1, day=NOON.date()))
STATE = unsigned_state(SAMPLES, seed=1, issued=NOON)
A = AuthorityId("xa-acc")


async def search(wanted: Search, state: DirectoryState = STATE, at: datetime = NOON) -> Shown:
    return await LookupDesk(open_index(None)).search(state, wanted, at=at, officer="p-17")


def ids(shown: Shown) -> list[str]:
    return [hit.entry.authority for hit in shown.found.hits]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("anti-corruption commission", "ACA"),
        ("هيئة مكافحة الفساد", "ACA"),
        ("反腐败委员会", "ACA"),
        ("возвращение активов бюро", "ARO"),
        ("cellule de renseignement", "FIU"),
        ("fiscalía", "PROSECUTION"),
    ],
)
async def test_words_of_six_languages_find_kinds_of_authorities(text: str, kind: str) -> None:
    shown = await search(Search(text=text))
    assert shown.found.hits[0].entry.kind.value == kind
    assert shown.found.all_words


async def test_the_name_of_a_country_is_a_word_in_any_language() -> None:
    for text in ("Kenya", "肯尼亚", "Кения", "كينيا"):
        shown = await search(Search(text=text, limit=100))
        assert {hit.entry.country for hit in shown.found.hits} == {"KE"}


async def test_an_id_stands_first() -> None:
    assert ids(await search(Search(text="ke-sample-00025")))[0] == "ke-sample-00025"
    assert (await search(Search(text="ke-sample-00025"))).found.hits[0].reasons[0].kind is ReasonKind.ID


async def test_codes_are_those_of_the_entries() -> None:
    wanted = Search(
        function=Function.MLA, language="fr", power=Power.BANK_ACCESS, network="EGMONT", limit=100
    )
    found, mla, bank = set(ids(await search(wanted))), Function.MLA, Power.BANK_ACCESS
    for sample in SAMPLES:
        profile = sample.profile
        has = bank in profile.powers and any(one.network == "EGMONT" for one in profile.networks)
        itself = mla in profile.functions and speaks(profile.languages_accepted, "fr")
        person = any(
            Function.MLA in contact.functions and speaks(contact.languages, "fr")
            for contact in sample.contacts
        )
        assert (sample.authority in found) is (has and (itself or person))


async def test_on_duty_shows_only_who_is_at_work() -> None:
    shown = await search(Search(on_duty=True, limit=100))
    roster = calendars.DutyRoster(NOON)
    for hit in shown.found.hits:
        assert hit.contacts or (hit.entry.profile is not None and hit.entry.profile.duty.available)
        assert all(roster.duty(schedule_of(one.contact)).on for one in hit.contacts)


async def test_half_of_the_words_find_somebody_and_it_is_said() -> None:
    shown = await search(Search(text="xyzzy fiscalía"))
    assert not shown.found.all_words
    assert shown.found.hits[0].reasons[0].kind is ReasonKind.SOME_WORDS
    assert (await search(Search(text="xyzzy"))).found.hits == ()
    assert (await search(Search(text="---"))).found.hits == ()


async def test_what_stands_in_the_way_is_named() -> None:
    lookup = LookupDesk(open_index(None))
    wanted = Search(text="kenya", country="FR")
    assert (await lookup.search(STATE, wanted, at=NOON)).found.hits == ()
    assert await lookup.in_the_way(STATE, wanted, at=NOON) == ["text", "country"]
    assert await lookup.in_the_way(STATE, Search(text="xyzzy"), at=NOON) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_the_question(text: str) -> None:
    import asyncio  # noqa: PLC0415 -- Hypothesis calls plain functions

    asyncio.run(_LOOKUP.search(SMALL, Search(text=text), at=START))


_LOOKUP = LookupDesk(open_index(None))
SMALL = sample_network().state


@pytest.mark.parametrize(
    "text", ['"', '" OR ident : x', "a NEAR b", "x*", "{marks} : cxa", "'; DROP TABLE x;--"]
)
async def test_signs_of_the_query_language_are_only_signs(text: str) -> None:
    await search(Search(text=text), SMALL, START)
    assert ids(await search(Search(country="XA"), SMALL, START)) == ["xa-acc"]


async def test_the_index_follows_the_directory(tmp_path: Path) -> None:
    lookup = LookupDesk(open_index(tmp_path / "lookup.db"))
    state = SMALL

    async def found(text: str) -> list[str]:
        return ids(await lookup.search(state, Search(text=text), at=START))

    assert sorted(await found("duty desk")) == ["xa-acc", "xb-ibu", "xc-aco"]
    state = state.apply(updated(state, "xa-acc", RetireContact(id="duty")))
    assert sorted(await found("duty desk")) == ["xb-ibu", "xc-aco"]
    await lookup.close()
    lookup = LookupDesk(open_index(tmp_path / "lookup.db"))
    leave = Suspension(by="authority", reason=SuspensionReason.LEFT)
    state = state.apply(raw_statement(state, "xb-ibu", leave, authority_root("xb-ibu").signing))
    assert await found("duty desk") == ["xc-aco", "xb-ibu"], "who left stands lower"
    state = STATE
    assert await found("xa-acc") == []
    await lookup.close()


async def test_seeing_contact_points_is_logged_for_each_authority_and_without_the_words() -> None:
    wanted = Search(text="duty desk", country="XA", function=Function.ASSET_RECOVERY, language="fr")
    shown = await search(wanted, SMALL, START)
    assert [event.kind for event in shown.events] == [EventKind.DIRECTORY_LOOKUP] * 2
    asked, seen = shown.events
    assert asked.result == "country=XA,function=ASSET_RECOVERY,language=fr,words,contacts=1"
    assert (asked.peer, seen.peer, seen.result) == ("", "xa-acc", "contacts=1")
    assert {event.officer for event in shown.events} == {"p-17"}
    assert all(event.values() for event in shown.events)


async def test_seeing_authorities_alone_is_not() -> None:
    without = SMALL.apply(updated(SMALL, "xa-acc", RetireContact(id="duty")))
    shown = await search(Search(country="XA"), without, START)
    assert ids(shown) == ["xa-acc"]
    assert shown.events == ()
    assert desk.show(without, A, at=START)[1] == ()


def test_to_show_an_entry_is_an_act_if_it_names_contact_points() -> None:
    entry, (event,) = desk.show(SMALL, A, at=START)
    assert entry.authority == A
    assert (event.peer, event.result) == (A, "contacts=1")
    with pytest.raises(LocalProtocolError) as caught:
        desk.show(SMALL, AuthorityId("xz-none"), at=START)
    assert caught.value.code is ReasonCode.UNKNOWN_AUTHORITY


def test_calendars_say_what_they_do_not_know() -> None:
    assert calendars.zone_of("Africa/Nairobi") is not None
    assert calendars.zone_of("Nowhere/Atlantis") is None
    roster = calendars.DutyRoster(NOON)
    assert roster.duty(Schedule("Nowhere/Atlantis", (), "", "")).on is None
    assert calendars.is_holiday("KE", date(2026, 12, 25))
    assert calendars.is_holiday("DE-BY", date(2026, 1, 6))
    assert not calendars.is_holiday("DE-BE", date(2026, 1, 6))
    assert not calendars.is_holiday("XA", date(2026, 12, 25))
    assert not calendars.is_holiday("DE-ZZ", date(2026, 12, 25))
    assert not calendars.is_holiday("", date(2026, 12, 25))
    assert calendars.country_names("XA") == ()
