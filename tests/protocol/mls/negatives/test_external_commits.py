# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 sections 8.3, 12.2 and 12.4.3.2: who joins from outside, and what members refuse of him."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.commits import CommitDraft, PendingCommit, create_commit, group_info
from protocol.mls.founding import LeafDraft
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join_externally
from protocol.mls.policy import CommitView
from protocol.mls.processing import Committed, process
from protocol.mls.sending import ProposalDraft, propose, resumption_psk
from protocol.mls.structures.extensions import Extension, ExtensionType, external_pub_bytes
from protocol.mls.structures.group_info import GROUP_INFO_LABEL, GroupInfo
from protocol.mls.structures.messages import MlsMessage, Sender, SenderType
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    ExternalPskId,
    GroupContextExtensions,
    PreSharedKey,
    ProposalOrRef,
    ProposalRef,
    Remove,
    UpdatePath,
)
from protocol.mls.suites import PRODUCT_SUITE, export_encapsulate
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import ForgedCommit, Forgery, flipped, forge_commit
from tests.support.mls_members import NOW_MS, POLICY, follow, key_package, leaf_draft, say
from tests.support.mls_negatives import declines, kept_by, members, refuses
from tests.support.mls_policy import Refusing

SUITE = PRODUCT_SUITE
ENTROPY = SeededEntropy("external")
NEWCOMER = leaf_draft("newcomer")
NONCE = bytes(SUITE.hash_bytes)


def info_of(group: Group, *, with_tree: bool = True) -> GroupInfo:
    return group_info(group, with_tree=with_tree, with_external_pub=True)


def resync(
    group: Group, *, removed: int | None = None, leaf: LeafDraft = NEWCOMER, seed: object = 0
) -> PendingCommit:
    info = MlsMessage(info_of(group)).to_bytes()
    draft = ExternalDraft(leaf=leaf, removed=removed)
    return join_externally(SUITE, info, draft, POLICY, entropy=SeededEntropy(f"resync {seed}"))


def outsider(group: Group) -> tuple[ExternalInit, ForgedCommit]:
    """Return what a forger who joins from outside says and does."""
    external = SUITE.derive_key_pair(group.secrets.external_secret).public
    kem_output, init_secret = export_encapsulate(SUITE, external, ENTROPY)
    lie = ForgedCommit(
        message=Forgery(
            sender=Sender(SenderType.NEW_MEMBER_COMMIT),
            signature_private=NEWCOMER.signature.private,
            private=False,
        ),
        leaf=lambda leaf: replace(
            leaf, signature_key=NEWCOMER.signature.public, credential=NEWCOMER.credential
        ),
        tree=lambda tree: tree.with_room()[0],
        place=len(group.members()),
        init_secret=init_secret,
    )
    return ExternalInit(kem_output), lie


def refused_list(proposals: Sequence[ProposalOrRef], match: str, lie: ForgedCommit | None = None) -> None:
    groups = members(3)
    refuses(groups[1], forge_commit(groups[0], proposals, lie or outsider(groups[0])[1]), match=match)


def test_a_forged_external_commit_that_does_not_lie_is_taken() -> None:
    groups = members(3)
    init, lie = outsider(groups[0])
    assert len(follow(groups[1], forge_commit(groups[0], [init], lie)).members()) == 4


# --- 12.2: the list ---------------------------------------------------------------------------------------
def test_12_2_no_external_init() -> None:
    refused_list([], match="without exactly one")
    refused_list([Remove(2)], match="without exactly one")


def test_12_2_two_external_inits() -> None:
    init, _ = outsider(members(3)[0])
    refused_list([init, init], match="without exactly one")


def test_12_2_two_removes() -> None:
    init, lie = outsider(members(3)[0])
    refused_list([init, Remove(1), Remove(2)], match="at most one Remove", lie=replace(lie, place=1))


@pytest.mark.parametrize("proposal", [Add(key_package("more").package), GroupContextExtensions(())])
def test_12_2_another_proposal(proposal: ProposalOrRef) -> None:
    init, _ = outsider(members(3)[0])
    refused_list([init, proposal], match="must not have")


def test_12_4_3_2_a_proposal_by_reference() -> None:
    one, other, third = members(3)
    third, message = propose(third, ProposalDraft(Remove(0)), ENTROPY)
    one, other = kept_by(one, message), kept_by(other, message)
    init, lie = outsider(one)
    reference = ProposalRef(one.proposals[0].reference)
    refuses(other, forge_commit(one, [init, reference], lie), match="refers to proposals")
    assert third.proposals[0].reference == reference.reference


def test_12_2_a_pre_shared_key_twice() -> None:
    init, lie = outsider(members(3)[0])
    psk = PreSharedKey(ExternalPskId(b"psk", NONCE))
    known = KnownPsks(external={b"psk": b"secret"})
    refused_list([init, psk, psk], match="twice", lie=replace(lie, psks=known))
    refused_list([init, psk], match="do not have", lie=replace(lie, psks=known))


def test_12_2_a_remove_of_nobody() -> None:
    init, _ = outsider(members(3)[0])
    refused_list([init, Remove(9)], match="of nobody")


# --- 12.4.3.2: the commit ---------------------------------------------------------------------------------
def test_12_4_3_2_no_path() -> None:
    init, lie = outsider(members(3)[0])
    refused_list([init], match="may not send", lie=replace(lie, has_path=False))


def test_12_4_3_2_a_signature_by_another_key_than_that_of_the_path() -> None:
    groups = members(3)
    init, lie = outsider(groups[0])
    signed = replace(lie, message=replace(lie.message, signature=flipped))
    refused_list([init], match="does not hold", lie=signed)
    member = replace(lie, message=replace(lie.message, signature_private=groups[0].signature_private))
    refused_list([init], match="does not hold", lie=member)


def test_12_2_a_member_that_comes_back_with_its_old_encryption_key() -> None:
    groups = members(3)
    old = groups[2].own_leaf_node.encryption_key
    init, lie = outsider(groups[0])

    def keep(path: UpdatePath) -> UpdatePath:
        return replace(path, leaf_node=replace(path.leaf_node, encryption_key=old))

    refused_list([init, Remove(2)], match="old key", lie=replace(lie, path=keep, place=2))


def test_12_4_3_2_a_member_who_joins_again_beside_itself() -> None:
    """Its signature key is in the tree already: it must remove its earlier self."""
    groups = members(3)
    declines(lambda: resync(groups[0], leaf=leaf_draft("2")), match="two members have")
    init, lie = outsider(groups[0])
    twin = leaf_draft("2").signature
    doubled = replace(
        lie,
        message=replace(lie.message, signature_private=twin.private),
        leaf=lambda leaf: replace(leaf, signature_key=twin.public),
    )
    refused_list([init], match="two members have", lie=doubled)
    follow(groups[1], resync(groups[0], leaf=leaf_draft("2"), removed=2).message)


def test_8_3_an_init_secret_that_is_not_what_was_encapsulated() -> None:
    init, lie = outsider(members(3)[0])
    refused_list([init], match="confirmation", lie=replace(lie, init_secret=NONCE))
    garbage = ExternalInit(bytes(len(init.kem_output)))
    refused_list([garbage], match="cannot be opened|confirmation", lie=lie)
    refused_list([ExternalInit(b"")], match="cannot be opened", lie=lie)


def test_12_4_3_2_a_group_info_serves_once() -> None:
    groups = members(3)
    first, second = resync(groups[0], seed=1), resync(groups[0], leaf=leaf_draft("late"), seed=2)
    after = follow(groups[1], first.message)
    refuses(after, second.message, ReasonCode.EXPIRED)
    refuses(after, first.message, ReasonCode.EXPIRED)


def test_12_4_3_2_a_commit_of_an_epoch_to_come() -> None:
    groups = members(3)
    pending = create_commit(groups[0], CommitDraft(), POLICY, ENTROPY)
    refuses(groups[1], resync(pending.next_group).message, ReasonCode.SEQUENCE_GAP)


def test_who_is_replaced_from_outside_learns_nothing_more() -> None:
    groups = members(3)
    pending = resync(groups[0], removed=2)
    taken = process(groups[2], pending.message, POLICY, NOW_MS)
    assert isinstance(taken, Committed)
    assert taken.group is None
    assert taken.external
    refuses(groups[2], say(pending.next_group, b"secret")[1], ReasonCode.SEQUENCE_GAP)


# --- group information ------------------------------------------------------------------------------------
def refused_info(info: GroupInfo, match: str) -> None:
    draft = ExternalDraft(leaf=NEWCOMER)
    with pytest.raises(RemoteProtocolError, match=match):
        join_externally(SUITE, MlsMessage(info).to_bytes(), draft, POLICY, entropy=ENTROPY)


def test_12_4_3_2_group_information_that_does_not_open_the_group() -> None:
    refused_info(group_info(members(3)[0]), match="cannot be joined from outside")


def test_12_4_3_2_group_information_without_a_tree() -> None:
    group = members(3)[0]
    info = info_of(group, with_tree=False)
    refused_info(info, match="without its tree")
    draft = ExternalDraft(leaf=NEWCOMER)
    pending = join_externally(
        SUITE,
        MlsMessage(info).to_bytes(),
        draft,
        POLICY,
        entropy=ENTROPY,
        ratchet_tree=group.tree.to_bytes(),
    )
    follow(group, pending.message)


def test_12_4_3_an_external_key_that_somebody_put_in() -> None:
    group = members(3)[0]
    info = info_of(group)
    planted = Extension(
        ExtensionType.EXTERNAL_PUB, external_pub_bytes(SUITE.derive_key_pair(b"planted!" * 6).public)
    )
    forged = replace(info, extensions=(info.extensions[0], planted))
    refused_info(forged, match="does not hold")
    bad = Extension(ExtensionType.EXTERNAL_PUB, external_pub_bytes(bytes(1216)))
    unsigned = replace(info, extensions=(info.extensions[0], bad), signature=b"")
    private = group.signature_private
    signature = SUITE.sign_with_label(private, GROUP_INFO_LABEL, unsigned.tbs())
    refused_info(replace(unsigned, signature=signature), match="can be admitted|cannot be")


@pytest.mark.parametrize("signer", [1, 2, 3, 99])
def test_12_4_3_group_information_signed_by_another(signer: int) -> None:
    info = replace(info_of(members(3)[0]), signer=signer)
    refused_info(info, match="does not hold|nobody signed")


def test_not_group_information() -> None:
    message = MlsMessage(key_package("x").package).to_bytes()
    with pytest.raises(RemoteProtocolError, match="not group information"):
        join_externally(SUITE, message, ExternalDraft(leaf=NEWCOMER), POLICY, entropy=ENTROPY)


# --- with a key of before ---------------------------------------------------------------------------------
def test_a_member_that_comes_back_shows_that_it_was_there() -> None:
    groups = members(3)
    lost = groups[2]
    psk = resumption_psk(lost.group_id, lost.epoch, suite=SUITE, entropy=ENTROPY).psk
    draft = ExternalDraft(leaf=NEWCOMER, removed=2, psks=(psk,))
    info = MlsMessage(info_of(groups[0])).to_bytes()
    known = KnownPsks(resumption={(lost.group_id, lost.epoch): lost.secrets.resumption_psk})
    pending = join_externally(SUITE, info, draft, POLICY, entropy=ENTROPY, psks=known)
    assert follow(groups[1], pending.message).epoch_authenticator == pending.next_group.epoch_authenticator
    with pytest.raises(LocalProtocolError, match="do not have"):
        join_externally(SUITE, info, draft, POLICY, entropy=ENTROPY)
    wrong = KnownPsks(resumption={(lost.group_id, lost.epoch): NONCE})
    guessed = join_externally(SUITE, info, draft, POLICY, entropy=ENTROPY, psks=wrong)
    refuses(groups[1], guessed.message, match="confirmation")


# --- the policy -------------------------------------------------------------------------------------------
def test_the_policy_sees_who_comes_back_for_whom() -> None:
    groups = members(3)
    seen: list[CommitView] = []

    def look(view: CommitView) -> bool:
        seen.append(view)
        return view.external

    pending = resync(groups[0], removed=2)
    with pytest.raises(RemoteProtocolError, match="policy refuses"):
        process(groups[1], pending.message, Refusing(commit=look), NOW_MS)
    (view,) = seen
    assert view.committer_before == groups[2].own_leaf_node
    assert view.committer_after.credential == NEWCOMER.credential
    assert (view.committer, view.private, view.has_path) == (2, False, True)


def test_a_newcomer_from_outside_counts() -> None:
    groups = members(3)
    policy = Refusing(max_members=3)
    info = MlsMessage(info_of(groups[0])).to_bytes()
    with pytest.raises(RemoteProtocolError, match="too many members"):
        join_externally(SUITE, info, ExternalDraft(leaf=NEWCOMER), policy, entropy=ENTROPY)
    with pytest.raises(RemoteProtocolError, match="too many members"):
        process(groups[1], resync(groups[0]).message, policy, NOW_MS)
    back = ExternalDraft(leaf=NEWCOMER, removed=2)
    join_externally(SUITE, info, back, policy, entropy=ENTROPY)
