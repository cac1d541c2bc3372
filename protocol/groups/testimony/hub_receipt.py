# SPDX-License-Identifier: Apache-2.0
"""Hub receipts: the hub's signed word that a commit has the place of one epoch. They order, not judge.

Whether the commit holds, each member finds out alone; the receipt says only that no other one has its place.

1. A hub gives one receipt for each group and epoch, the same octets to everybody.
2. Two receipts of one hub for one place that name different commits, or different epochs after one commit,
   prove that it gave the place twice. The proof needs nothing but the directory, and lasts.
3. The hub reads the time; along a group's epochs it never goes back.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from protocol.directory.replay import DirectoryState
from protocol.errors import (
    ConflictError,
    MalformedError,
    ReasonCode,
    UntrustedError,
)
from protocol.groups.testimony.form import (
    authenticator_hash,
    digest_of,
    group_id_of,
    issuer_of,
    kind_of_testimony,
    sign_testimony,
    verify_testimony,
)
from protocol.identifiers import ConsultationId, Digest, NodeName, parse_consultation_id
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer
from protocol.receipts import Issuer
from protocol.signing.composite import PublicKey
from protocol.signing.labels import HUB_RECEIPT
from protocol.signing.signed_object import VERSION, Members, parse_signed, verify_signed

_KIND = kind_of_testimony(
    "a hub receipt", HUB_RECEIPT, frozenset(("consultation", "group", "epoch", "commit", "authenticator"))
)
MAX_HUB_RECEIPT_BYTES = _KIND.max_bytes


@dataclass(frozen=True, slots=True)
class HubReceipt:
    """The place of a commit.

    Attributes:
        consultation: the consultation that the group is for.
        group_id: the group, 32 bytes.
        epoch: the epoch that the commit ends.
        commit: SHA-256 of the commit, as sent (an MLSMessage), hex.
        authenticator: SHA-256 of the epoch authenticator after it, hex.
        created: when the hub took it, UTC.
        issuer: the hub.

    Spec: PROTOCOL.md section 16.5.
    """

    consultation: ConsultationId
    group_id: bytes
    epoch: int
    commit: Digest
    authenticator: Digest
    created: datetime
    issuer: Issuer

    @property
    def hub(self) -> NodeName:
        """The full name of the hub."""
        return NodeName(self.issuer.authority, self.issuer.node)


def commit_hash(commit: bytes) -> Digest:
    """Return the hash by which a hub receipt names a commit: SHA-256 of the MLSMessage, hex."""
    return Digest(sha256(commit).hexdigest())


def sign_hub_receipt(hub_signer: Signer, receipt: HubReceipt) -> bytes:
    """Sign a hub receipt: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or a receipt that nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.5.
    """
    return sign_testimony(
        _KIND,
        hub_signer,
        {
            "consultation": receipt.consultation,
            "group": receipt.group_id.hex(),
            "epoch": receipt.epoch,
            "commit": receipt.commit,
            "authenticator": receipt.authenticator,
        },
        issuer=receipt.issuer,
        created=receipt.created,
        read=_read,
    )


def parse_hub_receipt(data: bytes) -> HubReceipt:
    """Read a hub receipt; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a receipt of another version.

    Spec: PROTOCOL.md section 16.5.
    """
    return _read(parse_signed(_KIND, data).members)


def verify_hub_receipt(data: bytes, directory: DirectoryState, now: datetime) -> HubReceipt:
    """Read a hub receipt and check that the node it names gave it.

    Raises:
        RemoteProtocolError: as for `form.verify_testimony`.

    Spec: PROTOCOL.md section 16.5.
    """
    return verify_testimony(_KIND, data, _read, directory, now)


def verify_hub_signature(data: bytes, public_key: PublicKey) -> None:
    """Check that a key has signed a hub receipt; whose key it was, and when, is judged by the caller.

    Raises:
        MalformedError: cut off, too long, or not canonical.
        UntrustedError: the signature fails.

    Spec: PROTOCOL.md section 16.5.
    """
    verify_signed(_KIND, parse_signed(_KIND, data), public_key)


def verify_place(
    receipt: HubReceipt,
    *,
    hub: NodeName,
    consultation: ConsultationId,
    group_id: bytes,
    epoch: int,
    commit: bytes,
) -> None:
    """Check that a verified receipt gives a commit the place that comes next.

    Args:
        receipt: a receipt whose signature holds.
        hub: the hub of the group, as the extension names it in this epoch.
        consultation: the consultation that it is for.
        group_id: the group.
        epoch: the epoch that we are in.
        commit: the commit, as received.

    Raises:
        UntrustedError: by another node than the hub, or for another consultation, group, epoch or commit.

    Spec: PROTOCOL.md section 16.5.
    """
    place = (receipt.hub, receipt.consultation, receipt.group_id, receipt.epoch, receipt.commit)
    if place != (hub, consultation, group_id, epoch, commit_hash(commit)):
        raise UntrustedError("a hub receipt for another place")


def verify_outcome(receipt: HubReceipt, epoch_authenticator: bytes) -> None:
    """Check that a commit led us to where it led the hub.

    Raises:
        UntrustedError: it did not: the commit means different things to different members.

    Spec: PROTOCOL.md section 16.5.
    """
    if not hmac.compare_digest(receipt.authenticator, authenticator_hash(epoch_authenticator)):
        raise UntrustedError("a commit that leads elsewhere than at the hub")


def verify_successive(earlier: HubReceipt, later: HubReceipt) -> None:
    """Check that two verified receipts of a group follow each other.

    Raises:
        ConflictError: the later one is for an earlier or the same epoch, or of an earlier time.

    Spec: PROTOCOL.md section 16.5.
    """
    if earlier.group_id != later.group_id or earlier.epoch >= later.epoch or earlier.created > later.created:
        raise ConflictError("hub receipts that do not follow each other")


@dataclass(frozen=True, slots=True)
class EquivocationProof:
    """Two receipts of one hub for one place, as received; the lower octets first.

    Spec: PROTOCOL.md section 16.5.
    """

    first: bytes = field(repr=False)
    second: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Write `u8 1 || op(first) || op(second)`."""
        return Writer().u8(VERSION).op(self.first).op(self.second).to_bytes()


def equivocation(one: bytes, other: bytes, directory: DirectoryState, now: datetime) -> EquivocationProof:
    """Make a proof of two receipts, or refuse to.

    Args:
        one: a hub receipt as received.
        other: another.
        directory: says which keys the hub had.
        now: our time.

    Raises:
        RemoteProtocolError: a receipt that does not verify, or no contradiction (`refused`).

    Spec: PROTOCOL.md section 16.5.
    """
    first, second = sorted((one, other))
    proof = EquivocationProof(first, second)
    verify_equivocation(proof, directory, now)
    return proof


def parse_equivocation(data: bytes) -> EquivocationProof:
    """Take a proof apart; `verify_equivocation` judges it.

    Raises:
        MalformedError: cut off, too long, or not in the one order.

    Spec: PROTOCOL.md section 16.5.
    """
    reader = Reader(data)
    if reader.u8() != VERSION:
        raise MalformedError("a proof of another version", code=ReasonCode.BAD_VERSION)
    first, second = reader.op(MAX_HUB_RECEIPT_BYTES), reader.op(MAX_HUB_RECEIPT_BYTES)
    reader.finish()
    if not first < second:
        raise MalformedError("a proof with its receipts in another order", code=ReasonCode.BAD_CONTENT)
    return EquivocationProof(first, second)


def verify_equivocation(proof: EquivocationProof, directory: DirectoryState, now: datetime) -> NodeName:
    """Check a proof.

    Returns:
        The hub that gave one place twice.

    Raises:
        RemoteProtocolError: a receipt that does not verify, or no contradiction (`refused`).

    Spec: PROTOCOL.md section 16.5.
    """
    first = verify_hub_receipt(proof.first, directory, now)
    second = verify_hub_receipt(proof.second, directory, now)
    verify_contradiction(first, second)
    return first.hub


def verify_contradiction(first: HubReceipt, second: HubReceipt) -> None:
    """Check that two receipts, whose signatures hold, can't both be right.

    Raises:
        UntrustedError: by two hubs, for two places, or for the same commit with the same outcome.

    Spec: PROTOCOL.md section 16.5.
    """
    same_place = _place_of(first) == _place_of(second)
    if not same_place or (first.commit, first.authenticator) == (second.commit, second.authenticator):
        raise UntrustedError("two hub receipts that do not contradict each other")


def _place_of(receipt: HubReceipt) -> tuple[object, ...]:
    return receipt.hub, receipt.consultation, receipt.group_id, receipt.epoch


def _read(members: Members) -> HubReceipt:
    return HubReceipt(
        consultation=parse_consultation_id(members.text("consultation")),
        group_id=group_id_of(members),
        epoch=members.count("epoch"),
        commit=digest_of(members, "commit"),
        authenticator=digest_of(members, "authenticator"),
        created=members.moment("created"),
        issuer=issuer_of(members),
    )
