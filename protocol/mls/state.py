# SPDX-License-Identifier: Apache-2.0
"""A group as octets for a store, in two parts: what a commit changes, and what every message changes.

Not a message: nobody else reads it, and it is secret. Whoever stores it encrypts it, keeps both parts in
one transaction, and never puts it into a backup.

1. Both parts are exact: one group has one form, and nothing may follow it.
2. The second part names the epoch that it belongs to, so parts of two epochs never become a group.
3. What cannot be read is a store that is damaged (`store_corrupt`), never somebody else's mistake.
4. The number before each part is the version of its form. Another version is not guessed at.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.founding import KeyPackageSecrets
from protocol.mls.group import Group, KeptProposal, Member, OwnUpdate, PastEpoch, ResumptionPsk
from protocol.mls.policy import SentProposal
from protocol.mls.schedule import EpochSecrets
from protocol.mls.secret_tree import LeafRatchets, MessageKey, Ratchet, SecretTree, SkippedKey
from protocol.mls.structures.extensions import read_credential
from protocol.mls.structures.group_info import parse_group_context
from protocol.mls.structures.key_packages import parse_key_package
from protocol.mls.structures.messages import Sender
from protocol.mls.structures.proposals import read_proposal, write_proposal
from protocol.mls.structures.vectors import malformed, parse_whole, read_list, read_vector, write_list
from protocol.mls.suites import PRODUCT_SUITE, Suite
from protocol.mls.tree.path import NodeKeys
from protocol.mls.tree.ratchet_tree import parse_tree
from protocol.octets import Reader, Writer

_CORE_VERSION = 1
_RATCHETS_VERSION = 1
_KEY_PACKAGE_VERSION = 1
_EPOCH_SECRETS = 7
T = TypeVar("T")


# --- both parts ---------------------------------------------------------------------------------------------
def core_bytes(group: Group) -> bytes:
    """Return the part that changes with a commit or a proposal, and when a past epoch is forgotten."""
    writer = Writer().u8(_CORE_VERSION).u16(group.suite.number)
    writer.op(group.context.to_bytes()).op(group.tree.to_bytes())
    _write_secrets_by_number(writer.u32(group.node_keys.leaf), group.node_keys.by_node)
    writer.op(group.signature_private).op(group.interim_transcript_hash).op(group.confirmation_tag)
    _write_epoch_secrets(writer, group.secrets)
    write_list(writer, group.past, _write_past)
    write_list(writer, group.resumptions, lambda inner, one: inner.u64(one.epoch).op(one.secret))
    write_list(writer, group.proposals, _write_kept)
    write_list(writer, group.own_updates, _write_own_update)
    return writer.to_bytes()


def ratchet_bytes(group: Group) -> bytes:
    """Return the part that changes with every message: keys of this epoch and of those before."""
    writer = Writer().u8(_RATCHETS_VERSION).op(group.confirmation_tag)
    _write_secret_tree(writer.u64(group.epoch), group.secret_tree)
    write_list(writer, group.past, _write_past_tree)
    return writer.to_bytes()


def core_changed(before: Group, after: Group) -> bool:
    """Say whether `core_bytes` has to be stored again after a step from one value to the next.

    It may say yes without need, for values that are equal and not the same.
    """
    if [one.epoch for one in before.past] != [one.epoch for one in after.past]:
        return True
    return any(
        one is not other
        for one, other in (
            (before.context, after.context),
            (before.tree, after.tree),
            (before.node_keys, after.node_keys),
            (before.signature_private, after.signature_private),
            (before.secrets, after.secrets),
            (before.resumptions, after.resumptions),
            (before.proposals, after.proposals),
            (before.own_updates, after.own_updates),
        )
    )


def parse_group(core: bytes, ratchets: bytes, *, suite: Suite = PRODUCT_SUITE) -> Group:
    """Read what `core_bytes` and `ratchet_bytes` wrote.

    Args:
        core: the first part.
        ratchets: the second part, of the same epoch.
        suite: of the network.

    Raises:
        LocalProtocolError: not the parts of one group of this suite (`store_corrupt`).
    """
    try:
        trees = parse_whole(_read_ratchets, ratchets)
        return parse_whole(lambda reader: _read_core(reader, suite, trees), core)
    except RemoteProtocolError:
        raise _corrupt() from None


def key_package_bytes(secrets: KeyPackageSecrets) -> bytes:
    """Return a key package with its private side, for the time until somebody uses it."""
    writer = Writer().u8(_KEY_PACKAGE_VERSION).op(secrets.package.to_bytes())
    writer.op(secrets.init_private).op(secrets.encryption_private).op(secrets.signature_private)
    return writer.to_bytes()


def parse_key_package_secrets(data: bytes) -> KeyPackageSecrets:
    """Read what `key_package_bytes` wrote.

    Raises:
        LocalProtocolError: something else (`store_corrupt`).
    """
    try:
        return parse_whole(_read_key_package_secrets, data)
    except RemoteProtocolError:
        raise _corrupt() from None


# --- the first part -----------------------------------------------------------------------------------------
def _read_core(reader: Reader, suite: Suite, ratchets: "_Ratchets") -> Group:
    if reader.u8() != _CORE_VERSION or reader.u16() != suite.number:
        raise malformed("a group of another version or suite")
    context = parse_group_context(read_vector(reader))
    group = Group(
        suite=suite,
        context=context,
        tree=parse_tree(suite, read_vector(reader)),
        node_keys=NodeKeys(reader.u32(), _read_secrets_by_number(reader)),
        signature_private=read_vector(reader),
        interim_transcript_hash=read_vector(reader),
        confirmation_tag=read_vector(reader),
        secrets=EpochSecrets(*(read_vector(reader) for _ in range(_EPOCH_SECRETS))),
        secret_tree=ratchets.tree_of(context.epoch),
        past=read_list(reader, lambda inner: _read_past(inner, ratchets)),
        resumptions=read_list(reader, lambda inner: ResumptionPsk(inner.u64(), read_vector(inner))),
        proposals=read_list(reader, _read_kept),
        own_updates=read_list(reader, _read_own_update),
    )
    if context.cipher_suite != suite.number or group.tree.leaf(group.own_leaf) is None:
        raise malformed("a group of another suite, or without its own member")
    if not hmac.compare_digest(group.confirmation_tag, ratchets.confirmation_tag):
        raise malformed("two parts of different epochs")
    if [group.epoch, *(one.epoch for one in group.past)] != list(ratchets.trees):
        raise malformed("two parts of different epochs")
    return group


def _write_epoch_secrets(writer: Writer, secrets: EpochSecrets) -> None:
    writer.op(secrets.init_secret).op(secrets.sender_data_secret).op(secrets.exporter_secret)
    writer.op(secrets.external_secret).op(secrets.membership_key).op(secrets.resumption_psk)
    writer.op(secrets.epoch_authenticator)


def _write_past(writer: Writer, past: PastEpoch) -> None:
    writer.u64(past.epoch).u64(past.ended_at_ms).op(past.context.to_bytes())
    write_list(writer, past.members, _write_member)
    writer.op(past.sender_data_secret)


def _read_past(reader: Reader, ratchets: "_Ratchets") -> PastEpoch:
    epoch = reader.u64()
    return PastEpoch(
        epoch=epoch,
        ended_at_ms=reader.u64(),
        context=parse_group_context(read_vector(reader)),
        members=read_list(reader, _read_member),
        sender_data_secret=read_vector(reader),
        secret_tree=ratchets.tree_of(epoch),
    )


def _write_member(writer: Writer, member: Member) -> None:
    member.credential.write(writer.u32(member.leaf_index).op(member.signature_key))


def _read_member(reader: Reader) -> Member:
    return Member(reader.u32(), read_vector(reader), read_credential(reader))


def _write_kept(writer: Writer, kept: KeptProposal) -> None:
    kept.sent.sender.write(writer.op(kept.reference))
    write_proposal(writer.u8(kept.sent.by_reference), kept.sent.proposal)


def _read_kept(reader: Reader) -> KeptProposal:
    reference, sender, by_reference = read_vector(reader), Sender.read(reader), reader.u8()
    if by_reference > 1:
        raise malformed("a value neither true nor false")
    return KeptProposal(reference, SentProposal(read_proposal(reader), sender, bool(by_reference)))


def _write_own_update(writer: Writer, update: OwnUpdate) -> None:
    writer.op(update.encryption_key).op(update.encryption_private).op(update.signature_private)


def _read_own_update(reader: Reader) -> OwnUpdate:
    return OwnUpdate(read_vector(reader), read_vector(reader), read_vector(reader))


# --- the second part ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Ratchets:
    """The second part, read.

    Attributes:
        confirmation_tag: of the epoch that it belongs to.
        trees: by epoch, the current one first.
    """

    confirmation_tag: bytes
    trees: Mapping[int, SecretTree]

    def tree_of(self, epoch: int) -> SecretTree:
        found = self.trees.get(epoch)
        if found is None:
            raise malformed("two parts of different epochs")
        return found


def _read_ratchets(reader: Reader) -> _Ratchets:
    if reader.u8() != _RATCHETS_VERSION:
        raise malformed("keys of another version")
    confirmation_tag = read_vector(reader)
    pairs = [(reader.u64(), _read_secret_tree(reader))]
    pairs += read_list(reader, lambda inner: (inner.u64(), _read_secret_tree(inner)))
    trees = dict(pairs)
    if len(trees) != len(pairs):
        raise malformed("an epoch twice")
    return _Ratchets(confirmation_tag, trees)


def _write_past_tree(writer: Writer, past: PastEpoch) -> None:
    _write_secret_tree(writer.u64(past.epoch), past.secret_tree)


def _write_secret_tree(writer: Writer, tree: SecretTree) -> None:
    _write_secrets_by_number(writer.u32(tree.width), tree.nodes)
    write_list(writer, sorted(tree.ratchets.items()), _write_leaf)


def _read_secret_tree(reader: Reader) -> SecretTree:
    width, nodes = reader.u32(), _read_secrets_by_number(reader)
    return SecretTree(width, nodes, _by_number(read_list(reader, _read_leaf)))


def _write_leaf(writer: Writer, item: tuple[int, LeafRatchets]) -> None:
    leaf, ratchets = item
    writer.u32(leaf)
    for ratchet in (ratchets.handshake, ratchets.application):
        writer.op(ratchet.secret).u64(ratchet.generation)
        write_list(writer, sorted(ratchet.skipped.items()), _write_skipped)


def _read_leaf(reader: Reader) -> tuple[int, LeafRatchets]:
    return reader.u32(), LeafRatchets(_read_ratchet(reader), _read_ratchet(reader))


def _read_ratchet(reader: Reader) -> Ratchet:
    return Ratchet(read_vector(reader), reader.u64(), _by_number(read_list(reader, _read_skipped)))


def _write_skipped(writer: Writer, item: tuple[int, SkippedKey]) -> None:
    generation, kept = item
    writer.u32(generation).u64(kept.at_ms).op(kept.message_key.key).op(kept.message_key.nonce)


def _read_skipped(reader: Reader) -> tuple[int, SkippedKey]:
    generation, at_ms = reader.u32(), reader.u64()
    return generation, SkippedKey(MessageKey(read_vector(reader), read_vector(reader)), at_ms)


# --- both ---------------------------------------------------------------------------------------------------
def _write_secrets_by_number(writer: Writer, secrets: Mapping[int, bytes]) -> None:
    write_list(writer, sorted(secrets.items()), lambda inner, item: inner.u32(item[0]).op(item[1]))


def _read_secrets_by_number(reader: Reader) -> dict[int, bytes]:
    return _by_number(read_list(reader, lambda inner: (inner.u32(), read_vector(inner))))


def _by_number(items: tuple[tuple[int, T], ...]) -> dict[int, T]:
    """Return a mapping of items that stand in increasing order, each number once."""
    if any(first[0] >= second[0] for first, second in pairwise(items)):
        raise malformed("numbers out of order")
    return dict(items)


def _read_key_package_secrets(reader: Reader) -> KeyPackageSecrets:
    if reader.u8() != _KEY_PACKAGE_VERSION:
        raise malformed("a key package of another version")
    package = parse_key_package(read_vector(reader))
    return KeyPackageSecrets(package, read_vector(reader), read_vector(reader), read_vector(reader))


def _corrupt() -> LocalProtocolError:
    return LocalProtocolError("a stored group that cannot be read", code=ReasonCode.STORE_CORRUPT)
