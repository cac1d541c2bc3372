# SPDX-License-Identifier: Apache-2.0
"""The decision tree: own words before the usual, formal where nobody says otherwise, warnings that fit."""

from dataclasses import replace

import pytest

from protocol.codes.help import HELP_KINDS, Coercion, HelpType
from protocol.codes.offences import Offence
from protocol.directory.contacts import AuthorityKind, ChannelKind, Function
from protocol.directory.entries import AuthorityEntry
from protocol.directory.profile.codes import Answer, EvidenceUse, Possibility, Power, TreatyNeed
from protocol.directory.profile.legal import DualCriminality, UncacBasis
from protocol.directory.profile.organisation import AuthorityChannel
from protocol.lookup.advice import Advice, AdviceKind, Basis, Need, Remark, Way
from protocol.lookup.routing import advise
from tests.support.clock import START
from tests.support.directory import sample_legal, sample_measure, sample_network, sample_profile

A, B, C = (
    replace(entry, country="XA", profile=sample_profile(), legal=sample_legal())
    for entry in sample_network().state.authorities
)
CENTRAL = replace(
    C, kind=AuthorityKind.CENTRAL_AUTHORITY, profile=sample_profile(functions=(Function.MLA,))
)  # fmt: skip


def advice(help_type: HelpType, *entries: AuthorityEntry, **more: object) -> Advice:
    return advise(entries, replace(Need("XA", help_type), **more), START)  # type: ignore[arg-type]  # of Need


def kinds(remarks: tuple[Remark, ...]) -> list[AdviceKind]:
    return [remark.kind for remark in remarks]


@pytest.mark.parametrize("help_type", list(HelpType))
def test_where_nobody_says_anything_the_usual_is_said_as_such(help_type: HelpType) -> None:
    (route,) = advice(help_type, A).routes
    assert route.basis is Basis.USUAL
    coercion = HELP_KINDS[help_type].coercion
    expected = {Coercion.NO: Way.INFORMAL, Coercion.VARIES: Way.ASK}.get(coercion, Way.FORMAL)
    assert route.way is expected
    warned = AdviceKind.FORMAL_REQUEST_NEEDED in kinds(advice(help_type, A).warnings)
    assert warned is (expected is Way.FORMAL)


def test_the_word_of_an_authority_comes_before_the_usual() -> None:
    says = replace(B, measures=(sample_measure(HelpType.BANK_DETAIL, Possibility.INFORMAL),))
    first, second = advice(HelpType.BANK_DETAIL, A, says).routes
    assert (first.entry.authority, first.way, first.basis) == ("xb-ibu", Way.INFORMAL, Basis.AUTHORITY)
    assert second.way is Way.FORMAL
    refuses = replace(B, measures=(sample_measure(HelpType.LAND, Possibility.NO),))
    assert [route.way for route in advice(HelpType.LAND, refuses, A).routes] == [Way.INFORMAL, Way.NO]


def test_what_a_formal_request_needs_is_what_the_central_authority_says() -> None:
    central = replace(CENTRAL, measures=(sample_measure(),))
    formal = advice(HelpType.BANK_DETAIL, A, central).formal
    assert formal is not None
    assert (formal.receiving, formal.said_by) == ("xc-aco", "xc-aco")
    assert (formal.treaty, formal.uncac, formal.dual_criminality) == (TreatyNeed.NO, Answer.YES, Answer.YES)
    assert (formal.languages, formal.documents, formal.days) == (
        ("en",),
        ("Certified copy of the order",),
        60,
    )
    assert formal.purposes == ("f",)
    elsewhere = replace(CENTRAL, measures=(sample_measure(receiving="xa-acc"),))
    sent_on = advice(HelpType.BANK_DETAIL, elsewhere).formal
    assert sent_on is not None
    assert sent_on.receiving == "xa-acc"


def test_what_nobody_says_is_unknown_and_nobody_is_invented() -> None:
    bare = replace(A, profile=None, legal=None)
    found = advice(HelpType.BANK_DETAIL, bare)
    assert found.formal is not None
    assert (found.formal.receiving, found.formal.treaty) == (None, TreatyNeed.UNKNOWN)
    assert AdviceKind.NO_CENTRAL_AUTHORITY in kinds(found.warnings)
    nobody = advise((A,), Need("XZ", HelpType.LAND), START)
    assert nobody.routes == ()
    assert nobody.formal is None
    assert nobody.warnings == (Remark(AdviceKind.NOBODY_LISTED, "XZ"),)
    assert advice(HelpType.CONTACT, A).formal is None


def test_law_gives_warnings() -> None:
    legal = sample_legal(
        treaty_needed=TreatyNeed.YES,
        uncac_as_basis=UncacBasis(mla=Answer.NO, extradition=Answer.NO, confiscation=Answer.NO),
        dual_criminality=DualCriminality(coercive=Answer.DEPENDS, non_coercive=Answer.NO),
        informal_use_as_evidence=EvidenceUse.NEVER,
        notify_subject="After 30 days",
    )
    found = advice(HelpType.FREEZE_URGENT, replace(CENTRAL, legal=legal), offence=Offence.ILLICIT_ENRICHMENT)
    assert set(kinds(found.warnings)) == {
        AdviceKind.FORMAL_REQUEST_NEEDED,
        AdviceKind.TREATY_NEEDED,
        AdviceKind.DUAL_CRIMINALITY,
        AdviceKind.ASK_DUAL_CRIMINALITY,
        AdviceKind.NOT_EVIDENCE,
        AdviceKind.SUBJECT_IS_NOTIFIED,
        AdviceKind.FREEZE_LAPSES,
    }
    mutual = replace(CENTRAL, legal=sample_legal(treaty_needed=TreatyNeed.RECIPROCITY))
    found = advice(HelpType.BANK_EXIST, mutual, offence=Offence.LAUNDERING)
    assert {AdviceKind.RECIPROCITY_NEEDED, AdviceKind.BANK_FIELDS, AdviceKind.EVIDENCE_BY_CONSENT} <= set(
        kinds(found.warnings)
    )
    assert AdviceKind.ASK_DUAL_CRIMINALITY not in kinds(found.warnings)


def test_function_power_network_language_and_hour_count() -> None:
    plain = replace(A, profile=sample_profile(functions=(Function.PREVENTION,), powers=(), networks=()))
    fitting = replace(B, profile=sample_profile(powers=(Power.BANK_ACCESS,)))
    found = advice(HelpType.BANK_EXIST, plain, fitting, networks=("GLOBE",), languages=("fr",), urgent=True)
    best = found.routes[0]
    assert best.entry.authority == "xb-ibu"
    assert {"FUNCTION", "POWER", "NETWORK", "LANGUAGE", "AT_ANY_HOUR"} <= set(kinds(best.remarks))
    assert best.hours == 8
    assert advice(HelpType.BANK_EXIST, fitting).routes[0].hours == 7 * 24
    foreign = advice(HelpType.BANK_EXIST, fitting, languages=("zh",)).routes[0]
    assert AdviceKind.NO_COMMON_LANGUAGE in kinds(foreign.remarks)


def test_who_is_stopped_or_without_node_stands_lower_and_is_reached_otherwise() -> None:
    channels = (
        AuthorityChannel(kind=ChannelKind.NODE, address="", encryption=""),
        AuthorityChannel(kind=ChannelKind.PHONE, address="+1 555 0100", encryption=""),
        AuthorityChannel(kind=ChannelKind.ESW, address="FIU-XA", encryption=""),
    )
    stopped = replace(A, suspended_by_officers=True, profile=sample_profile(channels=channels))
    first, second = advice(HelpType.LAND, stopped, B).routes
    assert (first.entry.authority, first.channel) == ("xb-ibu", ChannelKind.NODE)
    assert Remark(AdviceKind.NOT_IN_EXCHANGE, "SUSPENDED") in second.remarks
    assert (second.channel, second.address) == (ChannelKind.PHONE, "+1 555 0100")
    without = advice(HelpType.LAND, replace(A, nodes=(), profile=None)).routes[0]
    assert without.channel is ChannelKind.DIPLOMATIC
    assert AdviceKind.NO_KEYS in kinds(without.remarks)
    unit = replace(A, kind=AuthorityKind.FIU, profile=sample_profile(channels=channels))
    assert advice(HelpType.LAND, unit, networks=("EGMONT",)).routes[0].channel is ChannelKind.ESW
    assert advice(HelpType.LAND, unit).routes[0].channel is ChannelKind.NODE


def test_the_order_of_the_directory_does_not_matter() -> None:
    assert advice(HelpType.LAND, A, B, CENTRAL) == advice(HelpType.LAND, CENTRAL, B, A)


def test_every_remark_is_for_or_against() -> None:
    assert AdviceKind.SAYS_SO.warns is False
    assert AdviceKind.FORMAL_REQUEST_NEEDED.warns is True
