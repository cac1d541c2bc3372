# SPDX-License-Identifier: Apache-2.0
"""The profile: which groups, members and commits this network knows, and what each sender may do."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from globe_node.directory.publish import suspend_authority
from protocol.directory.statements import CompromisedKey, RetireKey, Suspension, SuspensionReason
from protocol.errors import ReasonCode
from protocol.groups.errors import UnknownCertificateError
from protocol.groups.extension import ConsultationExtension, amended
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import context_extensions
from protocol.identifiers import ConsultationId, NodeName
from protocol.mls.policy import CommitView, JoinView
from protocol.mls.structures.extensions import Extension
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.nodes import Capabilities, Lifetime
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    ExternalPskId,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
    Update,
)
from tests.support.clock import START
from tests.support.directory import certified_node_keys, officers, updated
from tests.support.leaves import issued, leaf_certificate, leaf_key
from tests.support.memberships import (
    EXTENSION,
    GROUP,
    HUB,
    OTHER,
    SECOND,
    STATE,
    THIRD,
    TREE,
    A,
    B,
    C,
    added,
    by_path,
    commit_view,
    join_view,
    sample_leaf,
    sample_policy,
    sample_tree,
    sent,
)
from tests.support.refusals import refused

POLICY = sample_policy()
DAY = timedelta(days=1)
WIDER = amended(EXTENSION, roster=[A, B, C])
SECONDS = int(START.timestamp())


def changed(extension: ConsultationExtension) -> dict[str, Any]:
    return {"extensions_after": context_extensions(extension)}


def gce(extension: ConsultationExtension) -> GroupContextExtensions:
    return GroupContextExtensions(context_extensions(extension))


def resumption(usage: ResumptionUsage = ResumptionUsage.APPLICATION, group: bytes = GROUP) -> PreSharedKey:
    return PreSharedKey(ResumptionPskId(usage, group, 4, bytes(48)))


def accepted(view: CommitView, policy: ProfilePolicy = POLICY) -> None:
    for _, leaf in view.tree_after.members():
        policy.verify_leaf(leaf, view.group_id)
    policy.verify_commit(view)


def not_allowed(
    view: CommitView, code: ReasonCode = ReasonCode.REFUSED, policy: ProfilePolicy = POLICY
) -> None:
    refused(partial(policy.verify_commit, view), code)


# --- what members and the hub may do ------------------------------------------------------------------------
def test_any_member_renews_its_keys() -> None:
    for name in (HUB, OTHER, SECOND):
        accepted(commit_view(name))
        accepted(commit_view(name, resumption()))


def test_the_hub_adds_an_authority_and_names_it_in_the_same_commit() -> None:
    accepted(commit_view(HUB, added(THIRD), gce(WIDER), **changed(WIDER)))


def test_the_hub_adds_back_a_node_of_an_authority_that_belongs() -> None:
    fewer = TREE.remove_leaf(1)
    accepted(commit_view(HUB, added(OTHER), tree_before=fewer))


def test_the_hub_removes_an_authority_from_the_roster_and_the_tree() -> None:
    before = replace(EXTENSION, roster=(A, B, C))
    after = amended(before, roster=[A, C], successors=[])
    view = commit_view(
        HUB, Remove(1), gce(after), extensions_before=context_extensions(before), **changed(after)
    )
    accepted(replace(view, tree_after=view.tree_after.remove_leaf(1)))
    not_allowed(view)


def test_the_hub_removes_a_leaf_and_the_roster_stays() -> None:
    view = commit_view(HUB, Remove(1))
    accepted(replace(view, tree_after=view.tree_after.remove_leaf(1)))


def test_a_member_removes_leaves_of_its_own_authority_only() -> None:
    hubless = commit_view(SECOND, Remove(0))
    not_allowed(replace(hubless, tree_after=hubless.tree_after.remove_leaf(0)))
    moved = {"extensions_before": context_extensions(replace(EXTENSION, hub=OTHER, successors=()))}
    moved["extensions_after"] = moved["extensions_before"]
    own = commit_view(SECOND, Remove(0), **moved)
    accepted(replace(own, tree_after=own.tree_after.remove_leaf(0)))
    other = commit_view(OTHER, Remove(2))
    not_allowed(replace(other, tree_after=other.tree_after.remove_leaf(2)))


@pytest.mark.parametrize("by", [OTHER, SECOND])
def test_what_is_the_hubs_alone(by: NodeName) -> None:
    not_allowed(commit_view(by, added(THIRD), gce(WIDER), **changed(WIDER)))
    not_allowed(commit_view(by, gce(WIDER), **changed(WIDER)))
    fewer = sample_tree(sample_leaf(HUB), sample_leaf(OTHER), sample_leaf(SECOND)).remove_leaf(1)
    if by == SECOND:
        not_allowed(commit_view(by, added(OTHER), tree_before=fewer))


def test_the_hub_hands_over_to_a_node_that_is_there() -> None:
    after = amended(EXTENSION, hub=OTHER, successors=[HUB])
    accepted(commit_view(HUB, gce(after), **changed(after)))
    absent = amended(replace(EXTENSION, roster=(A, B, C)), hub=THIRD)
    wider = {"extensions_before": context_extensions(replace(EXTENSION, roster=(A, B, C)))}
    not_allowed(commit_view(HUB, gce(absent), **wider, **changed(absent)))


def test_nobody_off_the_roster_is_added() -> None:
    not_allowed(commit_view(HUB, added(THIRD)))


def test_no_node_has_two_leaves() -> None:
    not_allowed(commit_view(HUB, added(OTHER)))


# --- the extension ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "after",
    [
        pytest.param(replace(WIDER, policy_version=1), id="the same version"),
        pytest.param(replace(WIDER, policy_version=3), id="a version left out"),
        pytest.param(replace(WIDER, opening=b"\1" * 32), id="another opening"),
        pytest.param(
            replace(WIDER, consultation=ConsultationId("019f1d03-8dc1-7000-8000-000000000002")),
            id="another consultation",
        ),
        pytest.param(amended(EXTENSION), id="nothing new"),
    ],
)
def test_an_extension_that_does_not_follow(after: ConsultationExtension) -> None:
    not_allowed(commit_view(HUB, gce(after), **changed(after)))


def test_an_extension_does_not_change_by_itself() -> None:
    not_allowed(commit_view(HUB, **changed(WIDER)))


def test_an_unknown_extension_of_the_group_is_refused() -> None:
    more = (*context_extensions(WIDER), Extension(0x0A0A, b""))
    not_allowed(commit_view(HUB, GroupContextExtensions(more), extensions_after=more), ReasonCode.BAD_CONTENT)


# --- the form of commits ------------------------------------------------------------------------------------
def test_a_commit_of_a_member_is_private() -> None:
    not_allowed(commit_view(HUB, private=False))


def test_a_commit_has_a_path_but_for_the_one_that_fills_a_new_group() -> None:
    alone = sample_tree(sample_leaf(HUB))
    first = commit_view(
        HUB, added(OTHER), tree_before=alone, epoch=0, has_path=False, committer_after=sample_leaf(HUB)
    )
    accepted(first)
    not_allowed(replace(first, epoch=1))
    not_allowed(commit_view(OTHER, has_path=False))


def test_proposals_stand_in_the_commit() -> None:
    not_allowed(commit_view(HUB, proposals=sent(resumption(), by_reference=True)))
    view = commit_view(HUB, added(THIRD), gce(WIDER), **changed(WIDER))
    not_allowed(replace(view, proposals=sent(added(THIRD), gce(WIDER), by=1, by_reference=True)))


@pytest.mark.parametrize(
    "proposal",
    [
        Update(by_path(OTHER)),
        ReInit(GROUP, 1, 0xF0E2),
        ExternalInit(b"kem output"),
        PreSharedKey(ExternalPskId(b"id", bytes(48))),
        resumption(ResumptionUsage.BRANCH),
        resumption(ResumptionUsage.REINIT),
        resumption(group=bytes(32)),
    ],
)
def test_proposals_that_this_network_does_not_know(proposal: Proposal) -> None:
    not_allowed(commit_view(HUB, proposal))


def test_one_resumption_key_at_most() -> None:
    not_allowed(commit_view(HUB, resumption(), resumption()))


def test_a_new_group_may_continue_another() -> None:
    alone = sample_tree(sample_leaf(HUB))
    before = resumption(group=bytes(32))
    accepted(commit_view(HUB, added(OTHER), before, tree_before=alone, epoch=0, has_path=False))


def test_a_proposal_in_a_message_of_its_own_is_refused() -> None:
    (proposal,) = sent(Remove(1))
    refused(lambda: POLICY.verify_proposal(proposal, GROUP), ReasonCode.REFUSED)


def test_a_group_id_has_one_length() -> None:
    not_allowed(commit_view(HUB, group_id=bytes(31)))
    refused(lambda: POLICY.verify_group(join_view(group_id=bytes(33))), ReasonCode.REFUSED)


# --- who enters ---------------------------------------------------------------------------------------------
def test_a_path_keeps_the_node_and_may_bring_a_new_key() -> None:
    fresh = leaf_certificate(*OTHER, key=leaf_key("fresh"), serial="1" * 32)
    octets = issued(fresh)
    leaf = by_path(OTHER, octets, signature_key=fresh.key)
    accepted(commit_view(OTHER, committer_after=leaf), sample_policy(certificates=[octets]))
    with pytest.raises(UnknownCertificateError):
        POLICY.verify_leaf(leaf, GROUP)


@pytest.mark.parametrize("name", [THIRD, SECOND, HUB])
def test_a_path_does_not_put_another_node_there(name: NodeName) -> None:
    not_allowed(commit_view(OTHER, committer_after=by_path(name)))


def test_a_commit_of_a_member_that_was_not_there() -> None:
    not_allowed(commit_view(OTHER, committer_before=None))


def test_a_committer_needs_a_certificate_that_covers_the_moment() -> None:
    late = sample_policy(at=START + 30 * DAY)
    not_allowed(commit_view(OTHER), ReasonCode.EXPIRED, late)
    not_allowed(commit_view(OTHER), ReasonCode.NOT_YET_VALID, sample_policy(at=START - DAY))
    fresh = leaf_certificate(*OTHER, not_before=START + 29 * DAY, not_after=START + 40 * DAY)
    octets = issued(fresh)
    view = commit_view(OTHER, committer_after=by_path(OTHER, octets))
    accepted(view, sample_policy(certificates=[octets], at=START + 35 * DAY))


def test_who_is_added_needs_one_too() -> None:
    view = commit_view(HUB, added(THIRD), gce(WIDER), **changed(WIDER))
    key = certified_node_keys(*THIRD).signing.key_id
    retired = STATE.apply(updated(STATE, C, RetireKey(key=key)))
    compromised = STATE.apply(updated(STATE, C, CompromisedKey(key=key, since=START)))
    for state in (retired, compromised):
        not_allowed(view, policy=sample_policy(state))
    short = issued(leaf_certificate(*THIRD, not_after=START + DAY))
    early = commit_view(HUB, added(THIRD, sample_leaf(THIRD, short)), gce(WIDER), **changed(WIDER))
    accepted(early, sample_policy(certificates=[short]))
    not_allowed(early, ReasonCode.EXPIRED, sample_policy(certificates=[short], at=START + DAY))


@pytest.mark.parametrize(
    ("lifetime", "code"),
    [
        (Lifetime(SECONDS + 1, SECONDS + 60), ReasonCode.NOT_YET_VALID),
        (Lifetime(SECONDS - 60, SECONDS - 1), ReasonCode.EXPIRED),
        (Lifetime(SECONDS, SECONDS + 31 * 24 * 3600), ReasonCode.BAD_CONTENT),
    ],
)
def test_a_key_package_is_used_in_its_time(lifetime: Lifetime, code: ReasonCode) -> None:
    add = added(THIRD, sample_leaf(THIRD, lifetime=lifetime))
    not_allowed(commit_view(HUB, add, gce(WIDER), **changed(WIDER)), code)


def test_a_key_package_of_another_suite_or_with_one_key_twice() -> None:
    leaf = sample_leaf(THIRD)
    for package, code in (
        (KeyPackage(1, b"init", leaf), ReasonCode.BAD_VERSION),
        (KeyPackage(0xF0E2, leaf.encryption_key, leaf), ReasonCode.BAD_CONTENT),
    ):
        not_allowed(commit_view(HUB, Add(package), gce(WIDER), **changed(WIDER)), code)


def test_a_leaf_that_does_not_support_these_groups() -> None:
    leaf = sample_leaf(OTHER, capabilities=Capabilities(credentials=(1,)))
    refused(lambda: POLICY.verify_leaf(leaf, GROUP), ReasonCode.BAD_CONTENT)


def test_a_member_that_has_fallen_keeps_nobody_from_removing_it() -> None:
    key = certified_node_keys(*OTHER).signing.key_id
    state = STATE.apply(updated(STATE, B, CompromisedKey(key=key, since=START)))
    policy = sample_policy(state)
    accepted(commit_view(SECOND), policy)
    view = commit_view(HUB, Remove(1))
    accepted(replace(view, tree_after=view.tree_after.remove_leaf(1)), policy)
    not_allowed(commit_view(OTHER), policy=policy)


def test_a_member_of_a_stopped_authority_commits_nothing() -> None:
    suspension = Suspension(by="officers", reason=SuspensionReason.MISUSE)
    signers = [officers()[0].signing]
    stopped = STATE.apply(suspend_authority(STATE, B, suspension, signers=signers, issued=START))
    not_allowed(commit_view(OTHER), policy=sample_policy(stopped))


# --- from outside -------------------------------------------------------------------------------------------
RENEWED = {
    name: issued(leaf_certificate(*name, key=leaf_key(f"{name} renewed"), serial="2" * 32))
    for name in (HUB, OTHER, SECOND, THIRD)
}
KNOWS = sample_policy(certificates=list(RENEWED.values()))


def resync(name: NodeName = OTHER, *more: Proposal, removed: int = 1, **changes: Any) -> CommitView:
    """A commit from outside by which a node takes the place of a leaf."""
    leaf = by_path(name, RENEWED[name], signature_key=leaf_key(f"{name} renewed"))
    tree, place = TREE.remove_leaf(removed).add_leaf(leaf)
    view = commit_view(
        HUB,
        external=True,
        private=False,
        committer=place,
        committer_before=None,
        committer_after=leaf,
        tree_after=tree,
        proposals=sent(ExternalInit(b"kem output"), Remove(removed), *more),
    )
    return replace(view, **changes)


def test_a_node_comes_back_in_place_of_its_own_leaf() -> None:
    accepted(resync(), KNOWS)
    accepted(resync(OTHER, resumption()), KNOWS)
    accepted(resync(SECOND, removed=2), KNOWS)
    accepted(resync(HUB, removed=0), KNOWS)


@pytest.mark.parametrize("name", [THIRD, SECOND, HUB])
def test_nobody_comes_in_place_of_another(name: NodeName) -> None:
    not_allowed(resync(name), policy=KNOWS)


def test_a_leaf_key_that_may_be_stolen_does_not_come_back() -> None:
    not_allowed(resync(committer_after=by_path(OTHER)), policy=KNOWS)


def test_a_commit_from_outside_does_nothing_else() -> None:
    for more in (added(THIRD), Remove(2), gce(WIDER), ExternalInit(b"x"), Update(by_path(OTHER))):
        not_allowed(resync(OTHER, more), policy=KNOWS)
    not_allowed(resync(OTHER, PreSharedKey(ExternalPskId(b"id", bytes(48)))), policy=KNOWS)
    not_allowed(resync(OTHER, resumption(), resumption()), policy=KNOWS)
    not_allowed(resync(proposals=sent(ExternalInit(b"x"))), policy=KNOWS)
    not_allowed(resync(proposals=sent(Remove(1))), policy=KNOWS)
    not_allowed(resync(proposals=sent(Remove(1), Remove(2))), policy=KNOWS)
    not_allowed(resync(**changed(WIDER)), policy=KNOWS)


def test_who_comes_back_needs_a_certificate_that_covers_the_moment() -> None:
    not_allowed(resync(), ReasonCode.EXPIRED, replace(KNOWS, at=START + 30 * DAY))
    key = certified_node_keys(*OTHER).signing.key_id
    for operation in (RetireKey(key=key), CompromisedKey(key=key, since=START)):
        state = STATE.apply(updated(STATE, B, operation))
        not_allowed(resync(), policy=replace(KNOWS, directory=state))


# --- joining ------------------------------------------------------------------------------------------------
def test_a_group_is_joined_by_invitation_of_its_hub() -> None:
    POLICY.verify_group(join_view())
    refused(lambda: POLICY.verify_group(join_view(signer=1)), ReasonCode.REFUSED)
    refused(lambda: POLICY.verify_group(join_view(signer=3)), ReasonCode.REFUSED)
    POLICY.verify_group(join_view(signer=1, external=True))


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(join_view(sample_leaf(HUB), sample_leaf(THIRD)), id="off the roster"),
        pytest.param(join_view(sample_leaf(OTHER), sample_leaf(SECOND)), id="no hub"),
        pytest.param(join_view(sample_leaf(HUB), sample_leaf(OTHER), sample_leaf(OTHER)), id="twice"),
    ],
)
def test_a_group_with_other_members_is_not_joined(view: JoinView) -> None:
    refused(lambda: POLICY.verify_group(view), ReasonCode.REFUSED)


def test_a_group_with_other_extensions_is_not_joined() -> None:
    required, consultation = context_extensions(EXTENSION)
    for extensions in ((), (required,), (consultation,), (required, consultation, Extension(5, b"\0"))):
        view = join_view(extensions=extensions)
        refused(partial(POLICY.verify_group, view), ReasonCode.BAD_CONTENT)


def test_a_group_with_a_fallen_member_is_not_joined() -> None:
    key = certified_node_keys(*OTHER).signing.key_id
    state = STATE.apply(updated(STATE, B, CompromisedKey(key=key, since=START)))
    refused(lambda: sample_policy(state).verify_group(join_view()), ReasonCode.REFUSED)
    refused(lambda: sample_policy(at=START + 90 * DAY).verify_group(join_view()), ReasonCode.EXPIRED)
    sample_policy(at=START + 44 * DAY).verify_group(join_view())


def test_a_group_has_64_members_at_most() -> None:
    assert POLICY.max_members == 64
