# SPDX-License-Identifier: Apache-2.0
"""Real groups under the profile: opened, changed, resynced; and insiders who would do more than they may."""

from datetime import timedelta
from functools import partial

import pytest

from protocol.directory.statements import CompromisedKey
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.errors import UnknownCertificateError
from protocol.groups.extension import amended
from protocol.groups.membership import certificates_by_hash, fallen_leaves
from protocol.groups.profile import context_extensions, parse_context_extensions
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.hub_receipt import HubReceipt, commit_hash, verify_outcome, verify_place
from protocol.identifiers import NodeName
from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.commits import CommitDraft, group_info
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join, join_externally
from protocol.mls.processing import Committed, process
from protocol.mls.sending import ProposalDraft, propose, resumption_psk
from protocol.mls.state import core_bytes, ratchet_bytes
from protocol.mls.structures.extensions import Extension
from protocol.mls.structures.messages import MlsMessage
from protocol.mls.structures.proposals import Add, GroupContextExtensions, Proposal, Remove
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.clock import START
from tests.support.directory import certified_node_keys, updated
from tests.support.leaves import issued
from tests.support.memberships import (
    EXTENSION,
    GROUP,
    HUB,
    OTHER,
    SECOND,
    STATE,
    THIRD,
    A,
    B,
    C,
    sample_policy,
)
from tests.support.mls_policy import AcceptAll
from tests.support.parties import (
    CHANCE,
    NOW_MS,
    commit_of,
    extension_change,
    filled,
    founded,
    installed,
    party_draft,
    party_package,
    renewed,
    taken,
)
from tests.support.refusals import refused
from tests.support.testimonies import issuer

POLICY, ANYTHING = sample_policy(), AcceptAll()
WIDER = amended(EXTENSION, roster=[A, B, C])


def agree(*groups: Group) -> None:
    assert len({group.epoch_authenticator for group in groups}) == 1


def external_info(group: Group) -> bytes:
    return MlsMessage(group_info(group, with_external_pub=True)).to_bytes()


def test_a_consultation_opens_grows_and_shrinks() -> None:
    hub, other = filled(OTHER)
    agree(hub, other)
    newcomer = party_package(THIRD)
    grow = CommitDraft(proposals=[Add(newcomer.package), extension_change(WIDER)])
    pending = commit_of(hub, grow, POLICY)
    hub, other = installed(pending), taken(other, pending.message, POLICY)
    third = join(PRODUCT_SUITE, pending.welcomes[0], newcomer, POLICY)
    agree(hub, other, third)
    assert parse_context_extensions(third.context.extensions) == WIDER
    narrow = amended(WIDER, roster=[A, C], successors=[])
    pending = commit_of(hub, CommitDraft(proposals=[Remove(1), extension_change(narrow)]), POLICY)
    gone = process(other, pending.message, POLICY, NOW_MS)
    assert isinstance(gone, Committed)
    assert gone.group is None
    hub, third = installed(pending), taken(third, pending.message, POLICY)
    agree(hub, third)


def test_a_hub_receipt_gives_a_commit_its_place() -> None:
    hub, other = filled(OTHER)
    pending = commit_of(other, CommitDraft(), POLICY)
    hub = taken(hub, pending.message, POLICY)
    consultation = WIDER.consultation
    receipt = HubReceipt(
        consultation=consultation,
        group_id=GROUP,
        epoch=other.epoch,
        commit=commit_hash(pending.message),
        authenticator=authenticator_hash(hub.epoch_authenticator),
        created=START,
        issuer=issuer(*HUB),
    )
    verify_place(
        receipt,
        hub=HUB,
        consultation=consultation,
        group_id=GROUP,
        epoch=other.epoch,
        commit=pending.message,
    )
    other = installed(pending)
    verify_outcome(receipt, other.epoch_authenticator)
    verify_outcome(receipt, hub.epoch_authenticator)


def test_a_member_takes_a_new_leaf_key() -> None:
    hub, other = filled(OTHER)
    certificate = renewed(OTHER, "new key")
    draft = CommitDraft(new_leaf=party_draft(OTHER, certificate, "new key"))
    knows = sample_policy(certificates=[issued(certificate)])
    pending = commit_of(other, draft, knows)
    with pytest.raises(UnknownCertificateError) as unknown:
        taken(hub, pending.message, POLICY)
    assert unknown.value.certificate_hash in certificates_by_hash([issued(certificate)])
    agree(taken(hub, pending.message, knows), installed(pending))


def test_a_node_that_lost_its_state_comes_back() -> None:
    hub, other, second = filled(OTHER, SECOND)
    certificate = renewed(OTHER, "after the loss")
    knows = sample_policy(certificates=[issued(certificate)])
    psk = resumption_psk(GROUP, other.epoch, suite=PRODUCT_SUITE, entropy=CHANCE).psk
    for names in ((), (psk,)):
        draft = ExternalDraft(
            leaf=party_draft(OTHER, certificate, "after the loss"), removed=other.own_leaf, psks=names
        )
        known = {(GROUP, other.epoch): other.resumption_psk(other.epoch) or b""}
        pending = join_externally(
            PRODUCT_SUITE,
            external_info(second),
            draft,
            knows,
            entropy=CHANCE,
            psks=KnownPsks(resumption=known),
        )
        back = pending.next_group
        agree(taken(hub, pending.message, knows), taken(second, pending.message, knows), back)


@pytest.mark.parametrize("name", [THIRD, SECOND])
def test_nobody_comes_from_outside_in_place_of_another(name: NodeName) -> None:
    hub, _ = filled(OTHER)
    draft = ExternalDraft(leaf=party_draft(name), removed=1)
    pending = join_externally(PRODUCT_SUITE, external_info(hub), draft, ANYTHING, entropy=CHANCE)
    refuses(hub, pending.message)
    with pytest.raises(LocalProtocolError):
        join_externally(PRODUCT_SUITE, external_info(hub), draft, POLICY, entropy=CHANCE)


def test_nobody_comes_from_outside_beside_the_others() -> None:
    hub, other = filled(OTHER)
    draft = ExternalDraft(leaf=party_draft(SECOND))
    pending = join_externally(PRODUCT_SUITE, external_info(other), draft, ANYTHING, entropy=CHANCE)
    refuses(hub, pending.message)


def refuses(group: Group, message: bytes, code: ReasonCode = ReasonCode.REFUSED) -> None:
    """Assert that a member refuses a message and keeps its state, octet for octet."""
    before = core_bytes(group), ratchet_bytes(group)
    refused(partial(process, group, message, POLICY, NOW_MS), code)
    assert (core_bytes(group), ratchet_bytes(group)) == before


@pytest.mark.parametrize(
    "proposals",
    [
        pytest.param([Add(party_package(THIRD).package), extension_change(WIDER)], id="adds with a roster"),
        pytest.param([Add(party_package(THIRD).package)], id="adds without a roster"),
        pytest.param([extension_change(amended(EXTENSION, hub=OTHER, successors=[]))], id="makes itself hub"),
        pytest.param([Remove(2)], id="removes another authority"),
        pytest.param([Remove(0)], id="removes the hub"),
    ],
)
def test_an_insider_does_what_is_the_hubs(proposals: list[Proposal]) -> None:
    hub, other, second = filled(OTHER, SECOND)
    pending = commit_of(other, CommitDraft(proposals=proposals), ANYTHING)
    refuses(second, pending.message)
    if Remove(0) not in proposals:
        refuses(hub, pending.message)
    with pytest.raises(LocalProtocolError):
        commit_of(other, CommitDraft(proposals=proposals), POLICY)


@pytest.mark.parametrize(
    ("proposals", "code"),
    [
        pytest.param([Add(party_package(THIRD).package)], ReasonCode.REFUSED, id="adds somebody unnamed"),
        pytest.param(
            [extension_change(amended(EXTENSION, roster=[A, C], successors=[]))],
            ReasonCode.REFUSED,
            id="takes somebody from the roster only",
        ),
        pytest.param(
            [GroupContextExtensions((*context_extensions(WIDER), Extension(5, b"\0")))],
            ReasonCode.BAD_CONTENT,
            id="lets outsiders propose",
        ),
        pytest.param([GroupContextExtensions(())], ReasonCode.BAD_CONTENT, id="drops the extensions"),
    ],
)
def test_a_hub_does_more_than_it_may(proposals: list[Proposal], code: ReasonCode) -> None:
    hub, other = filled(OTHER)
    refuses(other, commit_of(hub, CommitDraft(proposals=proposals), ANYTHING).message, code)


def test_a_commit_in_clear_or_without_a_path_or_a_proposal_alone() -> None:
    hub, other = filled(OTHER)
    refuses(hub, commit_of(other, CommitDraft(private=False), ANYTHING).message)
    pskless = resumption_psk(GROUP, other.epoch, suite=PRODUCT_SUITE, entropy=CHANCE)
    refuses(hub, commit_of(other, CommitDraft(proposals=[pskless], path=False), ANYTHING).message)
    _, proposal = propose(other, ProposalDraft(proposal=Remove(0)), CHANCE)
    refuses(hub, proposal)


def test_a_path_of_another_node() -> None:
    hub, other = filled(OTHER)
    draft = CommitDraft(new_leaf=party_draft(SECOND))
    refuses(hub, commit_of(other, draft, ANYTHING).message)


def test_an_invitation_of_another_than_the_hub() -> None:
    _, other = filled(OTHER)
    newcomer = party_package(SECOND)
    pending = commit_of(other, CommitDraft(proposals=[Add(newcomer.package)]), ANYTHING)
    refused(partial(join, PRODUCT_SUITE, pending.welcomes[0], newcomer, POLICY), ReasonCode.REFUSED)


def test_a_member_that_is_late_judges_as_all_others_did() -> None:
    hub, other, second = filled(OTHER, SECOND)
    pending = commit_of(second, CommitDraft(), POLICY)
    hub = taken(hub, pending.message, POLICY)
    later = sample_policy(at=START + timedelta(days=31))
    refused(partial(process, other, pending.message, later, NOW_MS), ReasonCode.EXPIRED)
    agree(taken(other, pending.message, POLICY), hub)


def test_a_node_whose_key_is_compromised_is_removed_and_commits_nothing() -> None:
    hub, other, second = filled(OTHER, SECOND)
    key = certified_node_keys(*OTHER).signing.key_id
    knows = sample_policy(STATE.apply(updated(STATE, B, CompromisedKey(key=key, since=START))))
    (fallen,) = fallen_leaves(hub.tree, knows.certificates, knows.directory, START)
    assert fallen.name == OTHER
    by_fallen = commit_of(other, CommitDraft(), POLICY)
    refused(partial(process, hub, by_fallen.message, knows, NOW_MS), ReasonCode.REFUSED)
    pending = commit_of(hub, CommitDraft(proposals=[Remove(fallen.leaf)]), knows)
    hub, second = installed(pending), taken(second, pending.message, knows)
    agree(hub, second)
    assert fallen_leaves(hub.tree, knows.certificates, knows.directory, START) == ()


def test_what_we_would_refuse_we_do_not_found() -> None:
    with pytest.raises(LocalProtocolError):
        commit_of(founded(), CommitDraft(proposals=[Add(party_package(THIRD).package)], path=False), POLICY)
