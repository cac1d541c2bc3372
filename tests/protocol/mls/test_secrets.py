# SPDX-License-Identifier: Apache-2.0
"""Where secrets of a group must not be: in what is shown, and in any state after they were used."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.framing import open_sender_data
from protocol.mls.group import Group
from protocol.mls.secret_tree import RatchetKind, take_key
from protocol.mls.sending import ProposalDraft, draft_update, propose
from protocol.mls.state import core_bytes, parse_group, ratchet_bytes
from protocol.mls.structures.messages import PrivateMessage, parse_mls_message
from protocol.mls.structures.proposals import Add, Remove
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import NOW_MS, POLICY, follow, hear, key_package, leaf_draft, say
from tests.support.mls_negatives import kept_by, members, refuses

ENTROPY = SeededEntropy("secrets")


def octets_in(value: Any) -> Iterator[bytes]:
    """Yield all octets in a value, however deep."""
    if isinstance(value, bytes):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from octets_in(getattr(value, part.name))
    elif isinstance(value, dict):
        yield from octets_in(list(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from octets_in(one)


def secrets_of(group: Group) -> set[bytes]:
    """Return all that only a member may know."""
    found = set(octets_in(group.secrets)) | set(octets_in(group.secret_tree))
    found |= set(octets_in(dict(group.node_keys.by_node))) | set(octets_in(group.past))
    found -= {one for epoch in group.past for one in octets_in((epoch.context, epoch.members))}
    found |= {group.signature_private, *octets_in(group.resumptions)}
    found |= {one.encryption_private for one in group.own_updates}
    return {one for one in found if len(one) >= 16}


def stored(group: Group) -> bytes:
    return core_bytes(group) + ratchet_bytes(group)


def lived_in_group() -> Group:
    """Return a group of an epoch that is not the first, with skipped keys, a past and a proposal."""
    one, other = members(2)
    one, first = say(one, b"first")
    one, second = say(one, b"second")
    other, _ = hear(other, second)
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    other = follow(other, pending.message)
    other, update = draft_update(other, None, ENTROPY)
    other, _ = propose(other, ProposalDraft(update), ENTROPY)
    assert first
    return other


def test_nothing_secret_is_shown() -> None:
    group = lived_in_group()
    pending = create_commit(members(2)[0], CommitDraft(new_leaf=leaf_draft("0", seed=1)), POLICY, ENTROPY)
    package = key_package("shown")
    shown = "".join(map(repr, (group, group.past, group.own_updates, pending, package, group.node_keys)))
    secrets = secrets_of(group) | secrets_of(pending.next_group)
    secrets |= {package.init_private, package.encryption_private, package.signature_private}
    assert len(secrets) > 30
    for secret in secrets:
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


def test_a_message_key_is_nowhere_after_it_was_used() -> None:
    """OpenMLS #1846: what was received must not be readable from what is stored then."""
    one, other = members(2)
    _, message = say(one, b"data")
    body = parse_mls_message(message).body
    assert isinstance(body, PrivateMessage)
    data = open_sender_data(PRODUCT_SUITE, body, other.secrets.sender_data_secret)
    _, key = take_key(
        PRODUCT_SUITE,
        other.secret_tree,
        data.leaf_index,
        RatchetKind.APPLICATION,
        generation=data.generation,
        now_ms=0,
    )
    heard, _ = hear(other, message)
    assert key.key not in stored(heard)
    assert key.nonce not in stored(heard)
    assert other.secret_tree.nodes[1] not in stored(heard)
    refuses(parse_group(core_bytes(heard), ratchet_bytes(heard)), message)


def test_what_an_epoch_was_made_of_is_nowhere_in_the_next() -> None:
    one, other = members(2)
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    assert pending.group is not None
    for group in (follow(other, pending.message), install(pending.group, pending.next_group, NOW_MS)):
        kept = stored(group)
        before = one.secrets if group.own_leaf == one.own_leaf else other.secrets
        for gone in (
            before.init_secret,
            before.exporter_secret,
            before.external_secret,
            before.membership_key,
        ):
            assert gone not in kept
        assert before.resumption_psk in kept


def test_a_path_replaces_the_private_keys_of_its_maker() -> None:
    one, _ = members(2)
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    for private in one.node_keys.by_node.values():
        assert private not in stored(pending.next_group)


def test_an_update_replaces_the_private_key_of_its_maker() -> None:
    one, other = members(2)
    other, update = draft_update(other, leaf_draft("1", seed="next"), ENTROPY)
    other, message = propose(other, ProposalDraft(update), ENTROPY)
    one = kept_by(one, message)
    draft = CommitDraft(references=[one.proposals[0].reference])
    after = follow(other, create_commit(one, draft, POLICY, ENTROPY).message)
    assert after.signature_private == leaf_draft("1", seed="next").signature.private
    assert after.own_updates == ()
    for private in members(2)[1].node_keys.by_node.values():
        assert private not in stored(after)


def test_who_is_removed_cannot_follow() -> None:
    """The committer's path is encrypted to nobody of whom the tree is rid."""
    groups = members(4)
    newcomer = key_package("new")
    pending = create_commit(
        groups[0], CommitDraft(proposals=[Remove(3), Add(newcomer.package)]), POLICY, ENTROPY
    )
    known = secrets_of(groups[3])
    assert not known & secrets_of(follow(groups[1], pending.message)) - secrets_of(groups[1])
    assert not known & set(pending.next_group.node_keys.by_node.values())
