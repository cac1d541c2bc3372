# SPDX-License-Identifier: Apache-2.0
"""A group in a store: every field comes back, both parts belong together, and damage is found."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.group import MAX_AGE_MS, Group, Member, OwnUpdate, ResumptionPsk, forget
from protocol.mls.processing import process
from protocol.mls.schedule import EpochSecrets
from protocol.mls.secret_tree import LeafRatchets, MessageKey, Ratchet, SecretTree, SkippedKey
from protocol.mls.sending import ProposalDraft, draft_update, propose
from protocol.mls.state import (
    core_bytes,
    core_changed,
    key_package_bytes,
    parse_group,
    parse_key_package_secrets,
    ratchet_bytes,
)
from protocol.mls.structures.extensions import BasicCredential, X509Credential
from protocol.mls.structures.messages import Sender, SenderType
from protocol.mls.structures.proposals import Add, Remove
from protocol.mls.tree.path import NodeKeys
from protocol.octets import Writer
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import NOW_MS, POLICY, follow, group_of, hear, key_package, say
from tests.support.mls_suites import SUITES


def eventful() -> Group:
    """Return a group in which everything that can be kept is kept: member 1 of 4, after three commits."""
    one, other, third, _ = group_of(4)
    for number in range(3):
        one, early = say(one, b"early", number)
        one, late = say(one, b"late", number)
        other, _ = hear(other, late)
        if number == 1:
            other, _ = hear(other, early)
        pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy(f"commit {number}"))
        other, third = follow(other, pending.message), follow(third, pending.message)
        assert pending.group is not None
        one = install(pending.group, pending.next_group, NOW_MS + number)
    other, _ = say(other, b"mine")
    third, theirs = say(third, b"theirs")
    other, _ = hear(other, theirs)
    other, update = draft_update(other, None, SeededEntropy("update"))
    other, _ = propose(other, ProposalDraft(update), SeededEntropy("propose"))
    _, removal = propose(third, ProposalDraft(Remove(3)), SeededEntropy("removal"))
    other = process(other, removal, POLICY, NOW_MS).group or other
    assert all(getattr(other, field.name) for field in fields(other))
    assert len(other.past) == 3
    assert len(other.proposals) == 2
    assert any(
        ratchets.application.skipped for one in other.past for ratchets in one.secret_tree.ratchets.values()
    )
    return other


GROUP = eventful()
CORE, RATCHETS = core_bytes(GROUP), ratchet_bytes(GROUP)


def again(group: Group) -> Group:
    return parse_group(core_bytes(group), ratchet_bytes(group), suite=group.suite)


def test_everything_comes_back() -> None:
    stored = again(GROUP)
    assert stored == GROUP
    assert (core_bytes(stored), ratchet_bytes(stored)) == (CORE, RATCHETS)
    assert stored.tree.tree_hash() == GROUP.tree.tree_hash()


@pytest.mark.parametrize("number", sorted(SUITES))
def test_groups_of_every_suite_come_back_and_go_on(number: int) -> None:
    one, other = group_of(2, suite=SUITES[number])
    one, message = say(again(one), b"still here")
    other, heard = hear(again(other), message)
    assert heard == b"still here"
    pending = create_commit(again(other), CommitDraft(), POLICY, SeededEntropy("commit"))
    assert follow(again(one), pending.message).epoch_authenticator == pending.next_group.epoch_authenticator


def test_a_stored_group_refuses_what_it_has_taken() -> None:
    one, other = group_of(2)
    one, message = say(one, b"once")
    other, _ = hear(other, message)
    with pytest.raises(RemoteProtocolError) as refused:
        hear(again(other), message)
    assert refused.value.code == ReasonCode.ID_CONFLICT


# --- every field --------------------------------------------------------------------------------------------
def one_skipped(tree: SecretTree, change: Callable[[SkippedKey], SkippedKey]) -> SecretTree:
    kept = SkippedKey(MessageKey(b"key", b"nonce"), 5)
    ratchet = Ratchet(b"secret", 3, {1: change(kept)})
    return replace(tree, ratchets={**tree.ratchets, 0: LeafRatchets(ratchet, ratchet)})


TREE = GROUP.secret_tree
LEAF = TREE.ratchets[1]
SENT = GROUP.proposals[0].sent
PAST = GROUP.past[0]
MEMBER = PAST.members[0]
SECRETS = [one.name for one in fields(EpochSecrets)]


def other_secret(name: str) -> Group:
    changed: dict[str, bytes] = {one: getattr(GROUP.secrets, one) for one in SECRETS} | {name: b"other"}
    return replace(GROUP, secrets=EpochSecrets(**changed))


CHANGES: dict[str, Group] = {
    "epoch": replace(GROUP, context=replace(GROUP.context, tree_hash=b"other")),
    "tree": replace(GROUP, tree=GROUP.tree.remove_leaf(2)),
    "own leaf": replace(GROUP, node_keys=NodeKeys(2, GROUP.node_keys.by_node)),
    "node key": replace(GROUP, node_keys=NodeKeys(1, {**GROUP.node_keys.by_node, 1: b"other"})),
    "no node key": replace(GROUP, node_keys=NodeKeys(1, {})),
    "signature": replace(GROUP, signature_private=b"other"),
    "transcript": replace(GROUP, interim_transcript_hash=b"other"),
    "confirmation": replace(GROUP, confirmation_tag=b"other"),
    **{f"secrets {name}": other_secret(name) for name in SECRETS},
    "width": replace(GROUP, secret_tree=replace(TREE, width=8)),
    "tree node": replace(GROUP, secret_tree=replace(TREE, nodes={**TREE.nodes, 9: b"other"})),
    "no tree nodes": replace(GROUP, secret_tree=replace(TREE, nodes={})),
    "no ratchets": replace(GROUP, secret_tree=replace(TREE, ratchets={})),
    "handshake": replace(
        GROUP,
        secret_tree=replace(
            TREE, ratchets={1: LeafRatchets(replace(LEAF.handshake, secret=b"other"), LEAF.application)}
        ),
    ),
    "generation": replace(
        GROUP,
        secret_tree=replace(
            TREE, ratchets={1: LeafRatchets(LEAF.handshake, replace(LEAF.application, generation=2**32))}
        ),
    ),
    "skipped": replace(GROUP, secret_tree=one_skipped(TREE, lambda kept: kept)),
    "skipped time": replace(GROUP, secret_tree=one_skipped(TREE, lambda kept: replace(kept, at_ms=6))),
    "skipped key": replace(
        GROUP,
        secret_tree=one_skipped(TREE, lambda kept: replace(kept, message_key=MessageKey(b"other", b"nonce"))),
    ),
    "skipped nonce": replace(
        GROUP,
        secret_tree=one_skipped(TREE, lambda kept: replace(kept, message_key=MessageKey(b"key", b"other"))),
    ),
    "no past": replace(GROUP, past=()),
    "past time": replace(GROUP, past=(replace(PAST, ended_at_ms=1),)),
    "past context": replace(GROUP, past=(replace(PAST, context=GROUP.context),)),
    "past members": replace(GROUP, past=(replace(PAST, members=()),)),
    "past member": replace(
        GROUP, past=(replace(PAST, members=(Member(9, MEMBER.signature_key, MEMBER.credential),)),)
    ),
    "past member key": replace(
        GROUP, past=(replace(PAST, members=(replace(MEMBER, signature_key=b"other"),)),)
    ),
    "past credential": replace(
        GROUP,
        past=(replace(PAST, members=(replace(MEMBER, credential=X509Credential((b"one", b"two"))),)),),
    ),
    "past sender data": replace(GROUP, past=(replace(PAST, sender_data_secret=b"other"),)),
    "past tree": replace(GROUP, past=(replace(PAST, secret_tree=TREE),)),
    "resumptions": replace(GROUP, resumptions=(ResumptionPsk(9, b"secret"),)),
    "resumption": replace(GROUP, resumptions=(ResumptionPsk(9, b"other"),)),
    "no proposals": replace(GROUP, proposals=()),
    "reference": replace(GROUP, proposals=(replace(GROUP.proposals[0], reference=b"other"),)),
    "proposal": replace(
        GROUP,
        proposals=(replace(GROUP.proposals[0], sent=replace(SENT, proposal=Remove(7))),),
    ),
    "proposer": replace(
        GROUP,
        proposals=(
            replace(GROUP.proposals[0], sent=replace(SENT, sender=Sender(SenderType.NEW_MEMBER_PROPOSAL))),
        ),
    ),
    "by value": replace(
        GROUP, proposals=(replace(GROUP.proposals[0], sent=replace(SENT, by_reference=False)),)
    ),
    "no updates": replace(GROUP, own_updates=()),
    "update": replace(GROUP, own_updates=(OwnUpdate(b"public", b"private", b"signature"),)),
    "update public": replace(GROUP, own_updates=(OwnUpdate(b"other", b"private", b"signature"),)),
    "update private": replace(GROUP, own_updates=(OwnUpdate(b"public", b"other", b"signature"),)),
    "update signature": replace(GROUP, own_updates=(OwnUpdate(b"public", b"private", b"other"),)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_is_stored(name: str) -> None:
    changed = CHANGES[name]
    assert changed != GROUP
    assert again(changed) == changed
    assert (core_bytes(changed), ratchet_bytes(changed)) != (CORE, RATCHETS)


def test_no_two_changes_look_alike() -> None:
    assert len({(core_bytes(one), ratchet_bytes(one)) for one in CHANGES.values()}) == len(CHANGES)


# --- two parts ----------------------------------------------------------------------------------------------
def test_a_message_changes_the_second_part_only() -> None:
    one, other = group_of(2)
    sent, message = say(one, b"text")
    heard, _ = hear(other, message)
    for before, after in ((one, sent), (other, heard)):
        assert not core_changed(before, after)
        assert core_bytes(before) == core_bytes(after)
        assert ratchet_bytes(before) != ratchet_bytes(after)


def test_a_late_message_changes_the_second_part_only() -> None:
    one, other = group_of(2)
    one, late = say(one, b"late")
    pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy("commit"))
    before = follow(other, pending.message)
    after, heard = hear(before, late)
    assert heard == b"late"
    assert not core_changed(before, after)
    assert core_bytes(before) == core_bytes(after)
    assert ratchet_bytes(before) != ratchet_bytes(after)


def test_commits_proposals_and_time_change_the_first_part() -> None:
    one, other = group_of(2)
    pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy("commit"))
    followed = follow(other, pending.message)
    proposing, _ = propose(one, ProposalDraft(Remove(1)), SeededEntropy("propose"))
    drafting, _ = draft_update(one, None, SeededEntropy("update"))
    later = forget(followed, NOW_MS + MAX_AGE_MS + 1)
    for before, after in ((other, followed), (one, proposing), (one, drafting), (followed, later)):
        assert core_changed(before, after)
        assert core_bytes(before) != core_bytes(after)


def corrupt(core: bytes, ratchets: bytes) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        parse_group(core, ratchets)
    assert refused.value.code == ReasonCode.STORE_CORRUPT


def test_parts_of_two_epochs_are_no_group() -> None:
    one, other = group_of(2)
    pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy("commit"))
    after = follow(other, pending.message)
    corrupt(core_bytes(other), ratchet_bytes(after))
    corrupt(core_bytes(after), ratchet_bytes(other))
    rival = create_commit(one, CommitDraft(), POLICY, SeededEntropy("rival"))
    corrupt(core_bytes(pending.next_group), ratchet_bytes(rival.next_group))
    corrupt(core_bytes(replace(GROUP, past=())), RATCHETS)
    corrupt(CORE, ratchet_bytes(replace(GROUP, past=())))
    corrupt(CORE, ratchet_bytes(replace(GROUP, past=GROUP.past[::-1])))
    corrupt(CORE, ratchet_bytes(replace(GROUP, past=(*GROUP.past, GROUP.past[0]))))


def test_a_group_of_another_suite_is_not_read() -> None:
    one, _ = group_of(2, suite=SUITES[1])
    corrupt(core_bytes(one), ratchet_bytes(one))
    context = replace(GROUP.context, cipher_suite=1)
    corrupt(core_bytes(replace(GROUP, context=context)), RATCHETS)


def test_a_group_without_its_own_member_is_not_read() -> None:
    gone = replace(GROUP, tree=GROUP.tree.remove_leaf(GROUP.own_leaf))
    corrupt(core_bytes(gone), RATCHETS)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_not_guessed_at(version: int) -> None:
    corrupt(bytes((version,)) + CORE[1:], RATCHETS)
    corrupt(CORE, bytes((version,)) + RATCHETS[1:])


def test_nothing_may_follow_or_be_missing() -> None:
    corrupt(CORE + b"\0", RATCHETS)
    corrupt(CORE, RATCHETS + b"\0")
    corrupt(CORE[:-1], RATCHETS)
    corrupt(CORE, RATCHETS[:-1])
    corrupt(b"", b"")


def swapped(octets: bytes, old: bytes, new: bytes) -> bytes:
    assert octets.count(old) == 1
    return octets.replace(old, new)


def test_numbers_stand_in_order_and_once() -> None:
    first, second = (Writer().u32(at).op(GROUP.node_keys.by_node[at]).to_bytes() for at in (2, 3))
    corrupt(swapped(CORE, first + second, second + first), RATCHETS)
    corrupt(swapped(CORE, first + second, first + first), RATCHETS)


@pytest.mark.parametrize("flag", [2, 3, 255])
def test_a_flag_is_true_or_false(flag: int) -> None:
    kept = GROUP.proposals[0]
    writer = Writer().op(kept.reference)
    kept.sent.sender.write(writer)
    before = writer.to_bytes()
    corrupt(swapped(CORE, before + b"\1", before + bytes((flag,))), RATCHETS)


@settings(max_examples=300)
@given(st.data())
def test_damage_is_found_or_is_another_group(data: st.DataObject) -> None:
    core, ratchets = bytearray(CORE), bytearray(RATCHETS)
    part = data.draw(st.sampled_from([core, ratchets]))
    at = data.draw(st.integers(0, len(part) - 1))
    part[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        damaged = parse_group(bytes(core), bytes(ratchets))
    except LocalProtocolError:
        corrupt(bytes(core), bytes(ratchets))
        return
    assert (core_bytes(damaged), ratchet_bytes(damaged)) == (bytes(core), bytes(ratchets))


# --- key packages -------------------------------------------------------------------------------------------
def test_key_packages_come_back() -> None:
    secrets = key_package("somebody")
    octets = key_package_bytes(secrets)
    assert parse_key_package_secrets(octets) == secrets
    for changed in (
        replace(secrets, init_private=b"other"),
        replace(secrets, encryption_private=b"other"),
        replace(secrets, signature_private=b"other"),
        replace(secrets, package=key_package("somebody else").package),
    ):
        assert parse_key_package_secrets(key_package_bytes(changed)) == changed
    for damaged in (b"", octets[:-1], octets + b"\0", b"\2" + octets[1:]):
        with pytest.raises(LocalProtocolError) as refused:
            parse_key_package_secrets(damaged)
        assert refused.value.code == ReasonCode.STORE_CORRUPT


def test_a_proposal_that_waits_comes_back_whole() -> None:
    one, _ = group_of(2)
    added = Add(key_package("newcomer").package)
    one, _ = propose(one, ProposalDraft(added), SeededEntropy("add"))
    assert again(one).proposals[0].sent.proposal == added
    assert isinstance(one.own_leaf_node.credential, BasicCredential)
