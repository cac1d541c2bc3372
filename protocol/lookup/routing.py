# SPDX-License-Identifier: Apache-2.0
"""The decision tree: from country and need to authority, channel, and what a formal request needs.

It advises and decides nothing; no message is refused because of it.

1. The word of an authority about itself comes first; where it says nothing, the usual answer is given.
2. An authority that is silent has not refused. Coercive help is advised formally unless somebody says more.
3. The same directory, need and moment give the same advice; equal routes go by id.
4. Whoever is stopped, stale or without a node is shown with that remark, and lower.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from protocol.codes.help import HELP_KINDS, Coercion, HelpKind, HelpType
from protocol.codes.offences import OFFENCE_KINDS
from protocol.directory.contacts import AuthorityKind, ChannelKind, Function
from protocol.directory.entries import AuthorityEntry, AuthorityStatus
from protocol.directory.profile.codes import Answer, EvidenceUse, Possibility, Power, TreatyNeed
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.provenance import is_stale
from protocol.identifiers import AuthorityId
from protocol.lookup.advice import (
    Advice,
    AdviceKind,
    Basis,
    FormalRequest,
    Need,
    Remark,
    Route,
    Way,
)
from protocol.lookup.queries import confirmed_on
from protocol.lookup.ranking import speaks, standing_of

MAX_ROUTES = 10
_WAYS: Mapping[Possibility, Way] = {
    Possibility.INFORMAL: Way.INFORMAL,
    Possibility.PARTIAL: Way.PARTIAL,
    Possibility.MLA_ONLY: Way.FORMAL,
    Possibility.NO: Way.NO,
}
_USUAL: Mapping[Coercion, Way] = {
    Coercion.NO: Way.INFORMAL,
    Coercion.VARIES: Way.ASK,
    Coercion.YES: Way.FORMAL,
    Coercion.FORMAL: Way.FORMAL,
}
_SCORES: Mapping[tuple[Way, Basis], int] = {
    (Way.INFORMAL, Basis.AUTHORITY): 400,
    (Way.PARTIAL, Basis.AUTHORITY): 320,
    (Way.INFORMAL, Basis.USUAL): 200,
    (Way.FORMAL, Basis.AUTHORITY): 140,
    (Way.ASK, Basis.USUAL): 120,
    (Way.FORMAL, Basis.USUAL): 60,
    (Way.NO, Basis.AUTHORITY): -500,
}
_FUNCTION, _POWER, _NETWORK, _LANGUAGE, _ANY_HOUR, _MOST_NETWORKS = 80, 40, 20, 30, 60, 3
_ASSETS = frozenset({Function.ASSET_RECOVERY})
_POLICE = frozenset({Function.LAW_ENFORCEMENT})
_FUNCTIONS: Mapping[HelpType, frozenset[Function]] = {
    HelpType.ASSET_LOCATE: _ASSETS,
    HelpType.RETURN_Q: _ASSETS,
    HelpType.MONITOR: _ASSETS | _POLICE,
    HelpType.PRESERVE: _ASSETS | {Function.FREEZE_URGENT},
    HelpType.FREEZE_URGENT: frozenset({Function.FREEZE_URGENT}),
    HelpType.BANK_EXIST: _ASSETS,
    HelpType.BANK_DETAIL: _ASSETS,
    HelpType.EXTRADITION_Q: frozenset({Function.EXTRADITION}),
    HelpType.DAMAGE_CLAIM: frozenset({Function.CIVIL_ADMIN}),
    HelpType.LEGAL_REQ: frozenset({Function.MLA}),
    HelpType.DUAL_CRIM: frozenset({Function.MLA}),
    HelpType.EXECUTABLE: frozenset({Function.MLA}),
    HelpType.DRAFT_MLA: frozenset({Function.MLA}),
    HelpType.CHANNEL: frozenset({Function.MLA}),
    HelpType.TRANSFER_PROC: frozenset({Function.MLA}),
}
"""Whom a kind of help is asked of; law enforcement where nothing else is named."""
_POWERS: Mapping[HelpType, Power] = {
    HelpType.BANK_EXIST: Power.BANK_ACCESS,
    HelpType.BANK_DETAIL: Power.BANK_ACCESS,
    HelpType.BENEF_OWNER: Power.BANK_ACCESS,
    HelpType.MONITOR: Power.BANK_ACCESS,
    HelpType.FREEZE_URGENT: Power.FREEZE_OWN_MOTION,
    HelpType.PRESERVE: Power.FREEZE_OWN_MOTION,
    HelpType.SPECIAL_TECH: Power.INTERCEPT,
    HelpType.JOINT_INV: Power.INVESTIGATE,
    HelpType.PARALLEL: Power.INVESTIGATE,
}
_FREEZING = frozenset({HelpType.FREEZE_URGENT, HelpType.PRESERVE})


def advise(entries: Iterable[AuthorityEntry], need: Need, at: datetime) -> Advice:
    """Return whom to ask and what a formal request would need.

    Args:
        entries: the directory.
        need: what is needed.
        at: when.
    """
    there = [entry for entry in entries if entry.country == need.country]
    routes = sorted(
        (_route(entry, need, at) for entry in there),
        key=lambda route: (-route.score, route.entry.authority),
    )
    shown = tuple(routes[:MAX_ROUTES])
    kind = HELP_KINDS[need.help]
    formal = _formal(there, need, kind, at) if _may_be_formal(kind, shown) else None
    return Advice(shown, formal, tuple(_warnings(shown, formal, need, kind)))


def _route(entry: AuthorityEntry, need: Need, at: datetime) -> Route:
    measure, profile = entry.measure(need.help), entry.profile
    basis = Basis.AUTHORITY if measure is not None else Basis.USUAL
    way = _WAYS[measure.possible] if measure is not None else _USUAL[HELP_KINDS[need.help].coercion]
    channel, address = _channel(entry, way, need, at)
    remarks = [*_remarks_for(entry, need, way, basis), *_remarks_about(entry, at)]
    languages = _languages(entry, measure)
    if need.languages and languages and not any(speaks(languages, language) for language in need.languages):
        remarks.append(Remark(AdviceKind.NO_COMMON_LANGUAGE))
    hours = 0
    if profile is not None:
        promised = profile.service.urgent_hours if need.urgent else profile.service.answer_days * 24
        hours = promised if way in (Way.INFORMAL, Way.PARTIAL, Way.ASK) else 0
    return Route(
        entry=entry,
        way=way,
        basis=basis,
        channel=channel,
        address=address,
        languages=languages,
        hours=hours,
        score=_SCORES[way, basis] + standing_of(entry, at) + _weight(remarks),
        remarks=tuple(remarks),
    )


def _remarks_for(entry: AuthorityEntry, need: Need, way: Way, basis: Basis) -> Iterator[Remark]:
    yield Remark(AdviceKind.SAYS_SO if basis is Basis.AUTHORITY else AdviceKind.USUAL, way.value)
    wanted = frozenset({Function.MLA}) if way is Way.FORMAL else _FUNCTIONS.get(need.help, _POLICE)
    functions = {function for contact in entry.contacts for function in contact.functions}
    profile = entry.profile
    if profile is not None:
        functions |= set(profile.functions)
    for function in sorted(wanted & functions):
        yield Remark(AdviceKind.FUNCTION, function.value)
    if profile is None:
        return
    power = _POWERS.get(need.help)
    if power is not None and power in profile.powers and way is not Way.FORMAL:
        yield Remark(AdviceKind.POWER, power.value)
    shared = {membership.network for membership in profile.networks} & set(need.networks)
    for network in sorted(shared)[:_MOST_NETWORKS]:
        yield Remark(AdviceKind.NETWORK, network)
    common = next((name for name in need.languages if speaks(profile.languages_accepted, name)), "")
    if common:
        yield Remark(AdviceKind.LANGUAGE, common)
    if need.urgent and profile.duty.available:
        yield Remark(AdviceKind.AT_ANY_HOUR)


def _remarks_about(entry: AuthorityEntry, at: datetime) -> Iterator[Remark]:
    status = entry.status_at(at)
    if status is not AuthorityStatus.ACTIVE:
        yield Remark(AdviceKind.NOT_IN_EXCHANGE, status.value)
    elif entry.node_in_use(at) is None:
        yield Remark(AdviceKind.NO_KEYS)
    confirmed = confirmed_on(entry)
    if confirmed is not None:
        kind = AdviceKind.STALE if is_stale(confirmed, at.date()) else AdviceKind.CONFIRMED
        yield Remark(kind, str(max(0, (at.date() - confirmed).days)))


_WEIGHTS: Mapping[AdviceKind, int] = {
    AdviceKind.FUNCTION: _FUNCTION,
    AdviceKind.POWER: _POWER,
    AdviceKind.NETWORK: _NETWORK,
    AdviceKind.LANGUAGE: _LANGUAGE,
    AdviceKind.AT_ANY_HOUR: _ANY_HOUR,
    AdviceKind.NO_COMMON_LANGUAGE: -_LANGUAGE,
}


def _weight(remarks: Iterable[Remark]) -> int:
    return sum(_WEIGHTS.get(remark.kind, 0) for remark in remarks)


def _channel(entry: AuthorityEntry, way: Way, need: Need, at: datetime) -> tuple[ChannelKind, str]:
    """Return how to reach an authority: its node while it is in exchange, else what it prefers.

    A financial intelligence unit is reached by the web of its own network, if both are in it.
    """
    listed = entry.profile.channels if entry.profile is not None else ()
    if "EGMONT" in need.networks and entry.kind is AuthorityKind.FIU:
        for channel in listed:
            if channel.kind is ChannelKind.ESW:
                return channel.kind, channel.address
    open_here = entry.status_at(at) is AuthorityStatus.ACTIVE and entry.node_in_use(at) is not None
    if open_here and way is not Way.FORMAL:
        return ChannelKind.NODE, ""
    for channel in listed:
        if channel.kind is not ChannelKind.NODE:
            return channel.kind, channel.address
    return (ChannelKind.NODE, "") if open_here else (ChannelKind.DIPLOMATIC, "")


def _languages(entry: AuthorityEntry, measure: Measure | None) -> tuple[str, ...]:
    if measure is not None and measure.languages:
        return measure.languages
    return entry.profile.languages_accepted if entry.profile is not None else ()


def _may_be_formal(kind: HelpKind, routes: tuple[Route, ...]) -> bool:
    """Whether a formal request is a way at all: usually, or because somebody there says so."""
    return kind.coercion is not Coercion.NO or any(
        route.way in (Way.FORMAL, Way.PARTIAL, Way.NO) for route in routes
    )


def _formal(there: Iterable[AuthorityEntry], need: Need, kind: HelpKind, at: datetime) -> FormalRequest:
    """Say what a formal request would need, as the central authority says it, or whoever says most."""
    central = sorted(
        (entry for entry in there if _is_central(entry) and entry.status_at(at) is AuthorityStatus.ACTIVE),
        key=lambda entry: (
            entry.measure(need.help) is None,
            entry.legal is None,
            entry.kind is not AuthorityKind.CENTRAL_AUTHORITY,
            entry.authority,
        ),
    )
    speaking = central or sorted(
        (entry for entry in there if entry.measure(need.help) is not None or entry.legal is not None),
        key=lambda entry: (entry.measure(need.help) is None, entry.legal is None, entry.authority),
    )
    said = speaking[0] if speaking else None
    measure = said.measure(need.help) if said is not None else None
    legal = said.legal if said is not None else None
    receiving = central[0].authority if central else None
    if measure is not None and measure.receiving:
        receiving = AuthorityId(measure.receiving)
    return FormalRequest(
        receiving=receiving,
        said_by=said.authority if said is not None else None,
        treaty=legal.treaty_needed if legal is not None else TreatyNeed.UNKNOWN,
        uncac=legal.uncac_as_basis.mla if legal is not None else Answer.UNKNOWN,
        dual_criminality=_dual_criminality(legal, kind),
        languages=_languages(said, measure) if said is not None else (),
        documents=measure.documents if measure is not None else (),
        requirements=measure.requirements if measure is not None else "",
        days=measure.answer_days if measure is not None else 0,
        law_links=measure.law_links if measure is not None else (),
        purposes=kind.purposes,
    )


def _is_central(entry: AuthorityEntry) -> bool:
    functions = entry.profile.functions if entry.profile is not None else ()
    return entry.kind is AuthorityKind.CENTRAL_AUTHORITY or Function.MLA in functions


def _dual_criminality(legal: LegalFrame | None, kind: HelpKind) -> Answer:
    if legal is None:
        return Answer.UNKNOWN
    rule = legal.dual_criminality
    return rule.non_coercive if kind.coercion is Coercion.NO else rule.coercive


def _warnings(
    routes: tuple[Route, ...], formal: FormalRequest | None, need: Need, kind: HelpKind
) -> Iterator[Remark]:
    if not routes:
        yield Remark(AdviceKind.NOBODY_LISTED, need.country)
    informal = [route for route in routes if route.way in (Way.INFORMAL, Way.PARTIAL, Way.ASK)]
    if routes and not informal:
        yield Remark(AdviceKind.FORMAL_REQUEST_NEEDED, need.country)
    if formal is not None:
        yield from _formal_warnings(formal)
    if need.offence is not None and OFFENCE_KINDS[need.offence].wants_dual_criminality_question:
        yield Remark(AdviceKind.ASK_DUAL_CRIMINALITY, need.offence.value)
    if kind.bank_fields:
        yield Remark(AdviceKind.BANK_FIELDS)
    legal = (informal or list(routes))[0].entry.legal if routes else None
    if legal is not None:
        yield from _legal_warnings(legal, need)


def _formal_warnings(formal: FormalRequest) -> Iterator[Remark]:
    if formal.receiving is None:
        yield Remark(AdviceKind.NO_CENTRAL_AUTHORITY)
    if formal.treaty is TreatyNeed.YES and formal.uncac is not Answer.YES:
        yield Remark(AdviceKind.TREATY_NEEDED)
    if formal.treaty is TreatyNeed.RECIPROCITY:
        yield Remark(AdviceKind.RECIPROCITY_NEEDED)
    if formal.dual_criminality in (Answer.YES, Answer.DEPENDS):
        yield Remark(AdviceKind.DUAL_CRIMINALITY, formal.dual_criminality.value)


def _legal_warnings(legal: LegalFrame, need: Need) -> Iterator[Remark]:
    if legal.informal_use_as_evidence is EvidenceUse.NEVER:
        yield Remark(AdviceKind.NOT_EVIDENCE)
    elif legal.informal_use_as_evidence is EvidenceUse.CONSENT:
        yield Remark(AdviceKind.EVIDENCE_BY_CONSENT)
    if legal.notify_subject:
        yield Remark(AdviceKind.SUBJECT_IS_NOTIFIED)
    if need.help in _FREEZING and legal.freeze_max_days:
        yield Remark(AdviceKind.FREEZE_LAPSES, str(legal.freeze_max_days))
