# SPDX-License-Identifier: Apache-2.0
"""A sample network: three officers of whom two admit, authorities with keys, endpoints and contact points.

Built once for the same arguments: the keys are those of `tests.support.identities`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from globe_node.directory.admission_request import AdmissionRequest, AuthorityFacts
from globe_node.directory.publish import (
    admit_authority,
    found_network,
    key_addition,
    prove_root,
    update_authority,
)
from keys.node_keys import NodeKeys, OfficerKey
from protocol.codes.help import HelpType
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
from protocol.directory.dsse import sign_statement
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
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import (
    Admission,
    Content,
    Officer,
    Operation,
    PutContact,
    PutEndpoint,
    Root,
    Statement,
    Thresholds,
)
from protocol.identifiers import AuthorityId, Digest
from protocol.interfaces import Signer
from protocol.signing.certificate import NodeCertificate, issue
from tests.support.clock import START
from tests.support.identities import authority_root, node_keys, officer_key

AUTHORITIES = ("xa-acc", "xb-ibu", "xc-aco")
OFFICES = ("officer-1", "officer-2", "officer-3")
NAMES = {
    "xa-acc": "Sample Anti-Corruption Commission of Alpha",
    "xb-ibu": "Sample Integrity Bureau of Beta",
    "xc-aco": "Sample Office against Corruption of Gamma",
}
FIRST_PORT = 20_001


@dataclass(frozen=True, slots=True)
class SampleNetwork:
    """A network as one node knows it.

    Attributes:
        statements: the root first, then one admission and one update for each authority.
        endpoints: where the node of each authority is said to be.
    """

    fingerprint: Digest
    statements: tuple[bytes, ...]
    state: DirectoryState
    endpoints: dict[AuthorityId, str]


def officers(*offices: str) -> tuple[OfficerKey, ...]:
    return tuple(officer_key(office) for office in offices or OFFICES)


def sample_root(*offices: str, root: int = 2, admit: int = 2, suspend: int = 1, sample: bool = True) -> Root:
    return Root(
        name="Sample network",
        sample=sample,
        officers=tuple(
            Officer(name=officer.office, organisation="Sample secretariat", key=officer.signing.public_key)
            for officer in officers(*offices)
        ),
        thresholds=Thresholds(root=root, admit=admit, suspend=suspend),
    )


def certified(node: NodeKeys, *, not_before: datetime = START, days: int = 365) -> NodeKeys:
    """The keys with a certificate by their authority's root, if they have none yet."""
    if node.certificate:
        return node
    root = authority_root(node.authority)
    certificate = NodeCertificate(
        serial=node.signing.key_id[:32],
        authority=node.authority,
        node=node.node,
        key=node.signing.admitted,
        not_before=not_before - timedelta(days=1),
        not_after=not_before + timedelta(days=days),
        issuer=root.signing.key_id,
    )
    return replace(node, certificate=issue(root.signing, certificate))


@lru_cache(maxsize=64)
def certified_node_keys(authority: str = "xa-acc", node: str = "main") -> NodeKeys:
    return certified(node_keys(authority, node))


def sample_admission(network: Digest, authority: str, *, issued: datetime = START) -> Admission:
    root = authority_root(authority)
    return Admission(
        country=authority[:2].upper(),
        names={"en": NAMES.get(authority, f"Sample authority {authority}")},
        kind=AuthorityKind.ACA,
        root_key=root.signing.public_key,
        proof=prove_root(network, root),
        not_after=issued + timedelta(days=365),
    )


def request_of(authority: str, network: Digest) -> AdmissionRequest:
    """What an authority hands to the officers."""
    facts = AuthorityFacts(
        country=authority[:2].upper(),
        names={"en": NAMES.get(authority, f"Sample authority {authority}")},
        kind=AuthorityKind.ACA,
    )
    return AdmissionRequest.made_by(authority_root(authority), network, facts)


def sample_contact(contact_id: str = "duty", **changes: object) -> ContactPoint:
    contact = ContactPoint(
        id=contact_id,
        role=ContactRole.DUTY,
        name="Duty desk, asset recovery",
        functions=(Function.ASSET_RECOVERY, Function.FREEZE_URGENT),
        languages=("en", "fr"),
        time_zone="Africa/Nairobi",
        working_days=(Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI),
        hours="08:00-16:30",
        holidays="",
        channels=(Channel(kind=ChannelKind.NODE, address=""),),
        nominated_by="",
        visibility=Visibility.MEMBERS,
        valid_from=START.date() - timedelta(days=30),
        valid_to=None,
        confirmed_at=START.date() - timedelta(days=10),
    )
    return ContactPoint.model_validate({**dict(contact), **changes})


def sample_operations(network: Digest, authority: str, endpoint: str) -> Sequence[Operation]:
    node = certified_node_keys(authority)
    return (
        PutContact(contact=sample_contact()),
        key_addition(network, node),
        PutEndpoint(node=node.node, url=endpoint),
    )


def admitted(state: DirectoryState, authority: str, *, issued: datetime = START) -> bytes:
    """The statement by which two officers admit or renew an authority."""
    return admit_authority(
        state,
        AuthorityId(authority),
        sample_admission(state.network.fingerprint, authority, issued=issued),
        officers=[officer.signing for officer in officers()[:2]],
        issued=issued,
    )


def updated(state: DirectoryState, authority: str, *operations: Operation, issued: datetime = START) -> bytes:
    """The statement by which an authority changes its own entry."""
    return update_authority(state, authority_root(authority), operations, issued=issued)


def raw_statement(
    state: DirectoryState, subject: str, content: Content, *signers: Signer, **changes: Any
) -> bytes:
    """Any statement, also one that will be refused: in its place unless `changes` says otherwise."""
    draft = Statement(
        network=state.network.fingerprint, subject=subject, seq=1, prev="", issued=START, content=content
    )
    seq, prev = state.next_place(draft.chain)
    statement = replace(draft, **{"seq": seq, "prev": prev, **changes})
    return sign_statement(statement.to_payload(), signers).to_bytes()


@lru_cache(maxsize=16)
def sample_network(
    authorities: tuple[str, ...] = AUTHORITIES, endpoints: tuple[str, ...] = ()
) -> SampleNetwork:
    """A network whose authorities all have a node `main`.

    Args:
        authorities: ids; any that identities can make keys for.
        endpoints: one for each authority; without, loopback ports from 20001.
    """
    endpoints = endpoints or tuple(
        f"https://127.0.0.1:{FIRST_PORT + place}" for place in range(len(authorities))
    )
    founded = found_network(sample_root(), [officer.signing for officer in officers()], START)
    state, statements = founded.state, [founded.root]
    for authority, endpoint in zip(authorities, endpoints, strict=True):
        statements.append(admitted(state, authority))
        state = state.apply(statements[-1])
        operations = sample_operations(state.network.fingerprint, authority, endpoint)
        statements.append(updated(state, authority, *operations))
        state = state.apply(statements[-1])
    return SampleNetwork(
        fingerprint=state.network.fingerprint,
        statements=tuple(statements),
        state=state,
        endpoints={AuthorityId(name): url for name, url in zip(authorities, endpoints, strict=True)},
    )


def sample_provenance(**changes: object) -> Provenance:
    found = Provenance(
        submitted_by="Registry office",
        approved_by="Head of registry",
        version=1,
        confirmed_at=START.date() - timedelta(days=20),
        next_confirmation=START.date() + timedelta(days=160),
        source="Act 12, section 3",
    )
    return Provenance.model_validate({**dict(found), **changes})


def sample_profile(**changes: object) -> Profile:
    profile = Profile(
        sub_jurisdiction="",
        native_language="en",
        transliterated="Sample Anti-Corruption Commission of Alpha",
        functions=(Function.ASSET_RECOVERY, Function.LAW_ENFORCEMENT),
        powers=(Power.INVESTIGATE, Power.BANK_ACCESS),
        networks=(Membership(network="GLOBE", role=NetworkRole.MEMBER),),
        languages_accepted=("en", "fr"),
        languages_spoken=("en", "sw"),
        translation="Court orders, into English",
        office=Office(
            time_zone="Africa/Nairobi",
            working_days=(Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI),
            hours="08:00-17:00",
            holidays="KE",
        ),
        duty=RoundTheClock(available=True, how="Telephone of the duty desk"),
        channels=(AuthorityChannel(kind=ChannelKind.NODE, address="", encryption="end to end"),),
        service=ServiceLevel(ack_hours=24, answer_days=7, urgent_hours=8, voluntary=True),
        documents=Documents(
            guide_url="https://guide.example/xa", track_url="", law_links=("https://laws.example/act-12",)
        ),
        public=(OpenPart.OFFICE,),
        provenance=sample_provenance(),
    )
    return Profile.model_validate({**dict(profile), **changes})


def sample_legal(**changes: object) -> LegalFrame:
    legal = LegalFrame(
        treaty_needed=TreatyNeed.NO,
        uncac_as_basis=UncacBasis(mla=Answer.YES, extradition=Answer.DEPENDS, confiscation=Answer.YES),
        dual_criminality=DualCriminality(coercive=Answer.YES, non_coercive=Answer.NO),
        evidence_threshold="Reasonable grounds to believe",
        min_penalty="One year",
        limitation_rules="",
        bank_secrecy="No ground to refuse",
        notify_subject="",
        freeze_max_days=14,
        ncb_confiscation=Answer.YES,
        informal_use_as_evidence=EvidenceUse.CONSENT,
        data_protection="",
        death_penalty="",
        interpol_allowed=Answer.YES,
        e_signature="",
        provenance=sample_provenance(),
    )
    return LegalFrame.model_validate({**dict(legal), **changes})


def sample_measure(
    help_type: HelpType = HelpType.BANK_DETAIL,
    possible: Possibility = Possibility.MLA_ONLY,
    **changes: object,
) -> Measure:
    measure = Measure(
        help=help_type,
        possible=possible,
        receiving="",
        executing="",
        languages=("en",),
        answer_days=60,
        documents=("Certified copy of the order",),
        requirements="Name the account or the period",
        law_links=("https://laws.example/act-12",),
        provenance=sample_provenance(),
    )
    return Measure.model_validate({**dict(measure), **changes})
