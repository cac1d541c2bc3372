# SPDX-License-Identifier: Apache-2.0
"""Puts candidates of a search in order and says why each stands where it stands. It finds no candidates.

1. The order depends on entries, words found, the moment and nothing else; equal scores go by id.
2. Every part of a score has a reason that a person can read; what speaks against somebody is said too.
3. Nobody is left out for being stale or stopped: it stands lower, with the reason.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from protocol.directory.contacts import ContactPoint, ContactRole
from protocol.directory.entries import AuthorityEntry, AuthorityStatus
from protocol.directory.profile.provenance import is_stale
from protocol.identifiers import AuthorityId
from protocol.lookup.duty import Duty
from protocol.lookup.queries import ContactHit, Found, Hit, Reason, ReasonKind, Search, confirmed_on
from protocol.lookup.words import words_of

Candidate = tuple[AuthorityId, float, int]
"""An authority, how well its words fit (0 to 1; 0 where none were asked), and `standing_of` its entry."""
MAX_CONTACTS_SHOWN = 10
_WHOLE_ID = 1_000
_WORDS = 400
"""Score of the candidate whose words fit best; others have a share of it."""
_IN_EXCHANGE = 200
_HAS_KEYS = 60
_FRESH = 40
_FRESH_DAYS = 180
_ROLES: Mapping[ContactRole, int] = {
    ContactRole.PRIMARY: 3,
    ContactRole.DUTY: 2,
    ContactRole.DEPUTY: 1,
    ContactRole.TECHNICAL: 0,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """When a search is made, and who is at work then.

    Attributes:
        duty: whether a contact point or an office is at work at this moment.
    """

    at: datetime
    duty: Callable[[ContactPoint], Duty]

    @property
    def day(self) -> date:
        """The day, in UTC."""
        return self.at.date()


def standing_of(entry: AuthorityEntry, at: datetime) -> int:
    """Return the part of a score that no search changes: exchange, keys, freshness."""
    score = _IN_EXCHANGE if entry.status_at(at) is AuthorityStatus.ACTIVE else 0
    score += _HAS_KEYS if entry.node_in_use(at) is not None else 0
    confirmed = confirmed_on(entry)
    if confirmed is not None:
        score += max(0, _FRESH * (_FRESH_DAYS - (at.date() - confirmed).days) // _FRESH_DAYS)
    return score


def rank(
    search: Search,
    candidates: Sequence[Candidate],
    entry_of: Callable[[AuthorityId], AuthorityEntry | None],
    moment: Moment,
    *,
    all_words: bool = True,
) -> Found:
    """Return the best candidates with their reasons.

    Candidates are looked at in the order of their scores until there are enough: whether somebody fits on the
    day and is at work is asked of few.

    Args:
        search: what is asked for.
        candidates: who has the marks and words of the search.
        entry_of: the entry of an authority.
        moment: when it is.
        all_words: whether the candidates have all words asked for.
    """
    asked_id = search.text.strip().casefold()
    heap = [
        (-(standing + int(_WORDS * words) + (_WHOLE_ID if authority == asked_id else 0)), authority)
        for authority, words, standing in candidates
    ]
    heapq.heapify(heap)
    hits: list[Hit] = []
    while heap and len(hits) < search.limit:
        negative, authority = heapq.heappop(heap)
        entry = entry_of(authority)
        if entry is not None and _does_fit(search, entry, moment):
            hits.append(_hit(search, -negative, entry, moment, all_words=all_words))
    return Found(hits=tuple(hits), candidates=len(candidates), complete=not heap, all_words=all_words)


def _does_fit(search: Search, entry: AuthorityEntry, moment: Moment) -> bool:
    """Whether the authority or one of its contact points has what was asked, on the day and at the moment."""
    if search.on_duty:
        return _anybody_on_duty(search, entry, moment)
    narrow = search.function is not None or search.language
    return not narrow or _anybody_fits(search, entry, moment)


def _anybody_fits(search: Search, entry: AuthorityEntry, moment: Moment) -> bool:
    return _profile_fits(search, entry) or any(
        fits(contact, search, moment.day) for contact in entry.contacts
    )


def _anybody_on_duty(search: Search, entry: AuthorityEntry, moment: Moment) -> bool:
    profile = entry.profile
    if profile is not None and profile.duty.available and _profile_fits(search, entry):
        return True
    return any(moment.duty(contact).on for contact in entry.contacts if fits(contact, search, moment.day))


def fits(contact: ContactPoint, search: Search, day: date) -> bool:
    """Whether a contact point has the function and language asked for and may be used on a day."""
    if not contact.is_valid_on(day):
        return False
    if search.function is not None and search.function not in contact.functions:
        return False
    return not search.language or speaks(contact.languages, search.language)


def speaks(languages: Iterable[str], asked: str) -> bool:
    """Whether one of the languages is the one asked for; `pt-BR` is found by `pt`."""
    wanted = asked.casefold()
    return any(
        language.casefold() == wanted or language.casefold().startswith(f"{wanted}-")
        for language in languages
    )


def _profile_fits(search: Search, entry: AuthorityEntry) -> bool:
    profile = entry.profile
    if profile is None:
        return False
    if search.function is not None and search.function not in profile.functions:
        return False
    return not search.language or speaks(profile.languages_accepted, search.language)


def _hit(search: Search, score: int, entry: AuthorityEntry, moment: Moment, *, all_words: bool) -> Hit:
    contacts = _contacts(search, entry, moment)
    reasons = [
        *_asked_reasons(search, entry, contacts, all_words=all_words),
        *_standing_reasons(entry, moment),
    ]
    reasons += _duty_reasons(contacts)
    return Hit(entry=entry, contacts=contacts, score=score, reasons=tuple(reasons))


def _contacts(search: Search, entry: AuthorityEntry, moment: Moment) -> tuple[ContactHit, ...]:
    """Return the contact points that fit: who is named by the words asked first, then who is at work."""
    words = set(words_of(search.text))
    named = words - {word for name in entry.names.values() for word in words_of(name)} if words else set()
    found: list[tuple[tuple[int, ...], str, ContactHit]] = []
    for contact in entry.contacts:
        if not fits(contact, search, moment.day):
            continue
        duty = moment.duty(contact)
        if search.on_duty and not duty.on:
            continue
        hit = len(named & set(words_of(contact.name))) if named else 0
        order = (-hit, 0 if duty.on else 1, -_ROLES[contact.role])
        found.append((order, contact.id, ContactHit(contact, duty)))
    found.sort(key=lambda item: item[:2])
    return tuple(hit for _, _, hit in found[:MAX_CONTACTS_SHOWN])


def _asked_reasons(
    search: Search, entry: AuthorityEntry, contacts: tuple[ContactHit, ...], *, all_words: bool
) -> Iterator[Reason]:
    if search.text:
        if entry.authority == search.text.strip().casefold():
            yield Reason(ReasonKind.ID)
        else:
            yield Reason(ReasonKind.WORDS if all_words else ReasonKind.SOME_WORDS)
    if search.country:
        yield Reason(ReasonKind.COUNTRY, entry.country)
    if search.function is not None:
        yield Reason(ReasonKind.FUNCTION, search.function.value)
    if search.power is not None:
        yield Reason(ReasonKind.POWER, search.power.value)
    if search.network:
        yield Reason(ReasonKind.NETWORK, search.network)
    if search.language:
        spoken = [language for hit in contacts for language in hit.contact.languages]
        own = entry.profile.languages_accepted if entry.profile is not None else ()
        shown = next((language for language in (*spoken, *own) if speaks((language,), search.language)), "")
        yield Reason(ReasonKind.LANGUAGE, shown or search.language)


def _standing_reasons(entry: AuthorityEntry, moment: Moment) -> Iterator[Reason]:
    status = entry.status_at(moment.at)
    if status is not AuthorityStatus.ACTIVE:
        yield Reason(ReasonKind.NOT_IN_EXCHANGE, status.value)
    elif entry.node_in_use(moment.at) is None:
        yield Reason(ReasonKind.NO_KEYS)
    confirmed = confirmed_on(entry)
    if confirmed is not None:
        kind = ReasonKind.STALE if is_stale(confirmed, moment.day) else ReasonKind.CONFIRMED
        yield Reason(kind, str(max(0, (moment.day - confirmed).days)))


def _duty_reasons(contacts: tuple[ContactHit, ...]) -> Iterator[Reason]:
    if not contacts:
        return
    on = [hit.duty for hit in contacts if hit.duty.on]
    if on:
        yield Reason(ReasonKind.ON_DUTY)
    elif all(hit.duty.on is False for hit in contacts):
        openings = [hit.duty.until for hit in contacts if hit.duty.until is not None]
        yield Reason(ReasonKind.OFF_DUTY, min(openings).isoformat() if openings else "")
