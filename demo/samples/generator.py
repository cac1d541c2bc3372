# SPDX-License-Identifier: Apache-2.0
"""Makes up authorities: who they are, what they tell, whom to reach. It signs nothing.

1. The same seed, size and day give the same authorities, in any process; each depends on its number alone.
2. Names say that they are samples, in every language; offices stand for people; addresses end in `.example`.
3. Everything passes the rules of the directory: it is built from the directory's own values.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from demo.samples.words import COUNTRIES, INSTITUTIONS, OFFICES, SYLLABLES, Country, authority_name
from protocol.codes.help import HELP_KINDS, Coercion, HelpType
from protocol.directory.contacts import (
    AuthorityKind,
    Channel,
    ChannelKind,
    ContactPoint,
    ContactRole,
    Function,
    Visibility,
    Weekday,
)
from protocol.directory.profile.codes import Answer, EvidenceUse, NetworkRole, Possibility, Power, TreatyNeed
from protocol.directory.profile.legal import DualCriminality, LegalFrame, Measure, UncacBasis
from protocol.directory.profile.organisation import (
    AuthorityChannel,
    Documents,
    Membership,
    Office,
    OpenPart,
    Profile,
    RoundTheClock,
    ServiceLevel,
)
from protocol.directory.profile.provenance import Provenance
from protocol.identifiers import AuthorityId, parse_authority_id

UN_LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")
_HOURS = ("08:00-16:30", "09:00-17:00", "08:30-17:30", "07:30-15:30")
_NETWORKS = ("GLOBE", "EGMONT", "CARIN", "ARIN-SA", "ARIN-EA", "GFPN", "WACAP", "IACCC")
_FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "ACA": (Function.LAW_ENFORCEMENT, Function.ASSET_RECOVERY, Function.PREVENTION),
    "PROSECUTION": (Function.MLA, Function.EXTRADITION, Function.ASSET_RECOVERY),
    "POLICE": (Function.LAW_ENFORCEMENT, Function.FREEZE_URGENT),
    "FIU": (Function.ASSET_RECOVERY, Function.FREEZE_URGENT),
    "ARO": (Function.ASSET_RECOVERY, Function.FREEZE_URGENT, Function.CIVIL_ADMIN),
    "CENTRAL_AUTHORITY": (Function.MLA, Function.EXTRADITION),
    "PREVENTION": (Function.PREVENTION, Function.CIVIL_ADMIN),
}


@dataclass(frozen=True, slots=True)
class SampleAuthority:
    """One invented authority.

    Attributes:
        names: by language tag.
    """

    authority: AuthorityId
    country: str
    kind: AuthorityKind
    names: dict[str, str]
    profile: Profile
    legal: LegalFrame
    measures: tuple[Measure, ...]
    contacts: tuple[ContactPoint, ...]


def sample_authorities(authorities: int, contacts: int, *, seed: int, day: date) -> Iterator[SampleAuthority]:
    """Make up a number of authorities with a number of contact points in all.

    Args:
        authorities: how many.
        contacts: how many contact points they have together, at most 100 each.
        seed: chooses among the networks that can be made up.
        day: today; what was confirmed was confirmed before it.

    Raises:
        ValueError: more than can have names of their own, or more contact points than they may have.
    """
    if not 0 < authorities <= len(SYLLABLES) ** 3 or not 0 <= contacts <= authorities * 100:
        raise ValueError("no network of that size can be made up")
    for number in range(authorities):
        share = contacts * (number + 1) // authorities - contacts * number // authorities
        yield _authority(number, share, random.Random(f"{seed}/{number}"), day)  # noqa: S311 -- not a secret


def _authority(number: int, contacts: int, rng: random.Random, day: date) -> SampleAuthority:
    country = COUNTRIES[number % len(COUNTRIES)]
    kind = rng.choice(tuple(INSTITUTIONS))
    size = len(SYLLABLES)
    place = (number % size, number // size % size, (number // size**2 + number * 7) % size)
    languages = sorted({country.native, "en", *rng.sample(UN_LANGUAGES, rng.randint(0, 3))})
    names = {language: authority_name(kind, place, language, number=number) for language in languages}
    office = _office(country, rng)
    functions = _FUNCTIONS[kind]
    return SampleAuthority(
        authority=parse_authority_id(f"{country.code.lower()}-sample-{number:05d}"),
        country=country.code,
        kind=AuthorityKind(kind),
        names=names,
        profile=_profile(country, office, functions, rng, day=day, name=names["en"]),
        legal=_legal(rng, day),
        measures=tuple(_measures(country, rng, day)),
        contacts=tuple(
            _contact(place_number, country, office, functions, rng, day=day)
            for place_number in range(contacts)
        ),
    )


def _office(country: Country, rng: random.Random) -> Office:
    return Office(
        time_zone=country.zone,
        working_days=tuple(Weekday(name) for name in country.week),
        hours=rng.choice(_HOURS),
        holidays=country.code,
    )


def _profile(
    country: Country,
    office: Office,
    functions: tuple[Function, ...],
    rng: random.Random,
    *,
    day: date,
    name: str,
) -> Profile:
    available = rng.random() < 0.3
    return Profile(
        sub_jurisdiction="",
        native_language=country.native,
        transliterated=name,
        functions=functions,
        powers=tuple(sorted(rng.sample(list(Power), rng.randint(1, 4)))),
        networks=tuple(
            Membership(network=network, role=NetworkRole.MEMBER)
            for network in sorted({"GLOBE", *rng.sample(_NETWORKS, rng.randint(0, 3))})
        ),
        languages_accepted=country.languages,
        languages_spoken=tuple(sorted({*country.languages, *rng.sample(UN_LANGUAGES, rng.randint(0, 2))})),
        translation="",
        office=office,
        duty=RoundTheClock(available=available, how="Sample duty telephone" if available else ""),
        channels=(
            AuthorityChannel(kind=ChannelKind.NODE, address="", encryption="end to end"),
            AuthorityChannel(kind=ChannelKind.DIPLOMATIC, address="", encryption=""),
        ),
        service=ServiceLevel(
            ack_hours=rng.choice((24, 48, 72)),
            answer_days=rng.choice((7, 14, 30)),
            urgent_hours=rng.choice((8, 24, 72)),
            voluntary=rng.random() < 0.5,
        ),
        documents=Documents(
            guide_url=f"https://guide.example/{country.code.lower()}", track_url="", law_links=()
        ),
        public=(OpenPart.OFFICE,),
        provenance=_provenance(rng, day),
    )


def _legal(rng: random.Random, day: date) -> LegalFrame:
    answers = tuple(Answer)
    return LegalFrame(
        treaty_needed=rng.choice(tuple(TreatyNeed)),
        uncac_as_basis=UncacBasis(
            mla=rng.choice(answers), extradition=rng.choice(answers), confiscation=rng.choice(answers)
        ),
        dual_criminality=DualCriminality(
            coercive=rng.choice((Answer.YES, Answer.DEPENDS)),
            non_coercive=rng.choice((Answer.NO, Answer.DEPENDS)),
        ),
        evidence_threshold=rng.choice(("", "Sample rule: reasonable grounds")),
        min_penalty=rng.choice(("", "Sample rule: one year")),
        limitation_rules="",
        bank_secrecy="",
        notify_subject=rng.choice(("", "Sample rule: after 30 days")),
        freeze_max_days=rng.choice((0, 10, 14, 30)),
        ncb_confiscation=rng.choice(answers),
        informal_use_as_evidence=rng.choice(tuple(EvidenceUse)),
        data_protection="",
        death_penalty="",
        interpol_allowed=rng.choice(answers),
        e_signature="",
        provenance=_provenance(rng, day),
    )  # fmt: skip


def _measures(country: Country, rng: random.Random, day: date) -> Iterator[Measure]:
    """Tell of some kinds of help; what usually takes coercion is seldom to be had informally."""
    for help_type in sorted(rng.sample(list(HelpType), 8)):
        coercive = HELP_KINDS[help_type].coercion in (Coercion.YES, Coercion.FORMAL)
        possible = Possibility.MLA_ONLY if coercive else rng.choice(tuple(Possibility))
        yield Measure(
            help=help_type,
            possible=possible,
            receiving="",
            executing="",
            languages=(country.native,),
            answer_days=rng.choice((0, 14, 30, 90)),
            documents=("Sample form", "Sample certified copy") if possible is Possibility.MLA_ONLY else (),
            requirements="",
            law_links=(f"https://laws.example/{country.code.lower()}/{help_type.value.lower()}",),
            provenance=_provenance(rng, day),
        )


def _contact(
    number: int,
    country: Country,
    office: Office,
    functions: tuple[Function, ...],
    rng: random.Random,
    *,
    day: date,
) -> ContactPoint:
    name = OFFICES[number % len(OFFICES)]
    duty = name == "Duty desk"
    extra = f" {number // len(OFFICES) + 1}" if number >= len(OFFICES) else ""
    spoken = sorted({country.native, *rng.sample(UN_LANGUAGES, rng.randint(0, 2))})
    return ContactPoint(
        id=f"office-{number:02d}",
        role=ContactRole.DUTY if duty else rng.choice(tuple(ContactRole)),
        name=f"Sample {name.lower()}{extra}",
        functions=tuple(sorted(rng.sample(functions, rng.randint(1, len(functions))))),
        languages=tuple(spoken),
        time_zone=office.time_zone,
        working_days=tuple(Weekday) if duty else office.working_days,
        hours="" if duty and rng.random() < 0.3 else office.hours,
        holidays="" if duty else office.holidays,
        channels=(
            Channel(kind=ChannelKind.NODE, address=""),
            Channel(kind=ChannelKind.EMAIL, address=f"office-{number:02d}@{country.code.lower()}.example"),
        ),
        nominated_by="Sample registry office",
        visibility=Visibility.MEMBERS,
        valid_from=day - timedelta(days=rng.randint(30, 900)),
        valid_to=None,
        confirmed_at=day - timedelta(days=rng.randint(1, 400)),
    )


def _provenance(rng: random.Random, day: date) -> Provenance:
    confirmed = day - timedelta(days=rng.randint(1, 400))
    return Provenance(
        submitted_by="Sample registry office",
        approved_by="",
        version=1,
        confirmed_at=confirmed,
        next_confirmation=confirmed + timedelta(days=180),
        source="Invented for trial",
    )
