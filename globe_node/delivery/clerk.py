# SPDX-License-Identifier: Apache-2.0
"""Signs the receipts of this node and verifies those of its peers. It stores nothing and sends nothing.

1. One receipt covers many envelopes of one sender, and all receipts of one transaction share one signature.
2. A receipt is signed inside the transaction that makes it true; its octets leave after the commit only.
3. A receipt of a peer counts if it names that peer as issuer and us as recipient, and is signed by a key
   that the directory holds for that peer. Everything else is refused in one way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from globe_node.clock import Clock
from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.peers import PeerBook
from globe_node.errors import NodeError
from protocol import limits
from protocol.errors import ProtocolError, UntrustedError
from protocol.identifiers import AuthorityId, RecordId, uuid7
from protocol.interfaces import Entropy, Signer
from protocol.receipts import Issuer, Receipt, ReceiptEntry, SignedReceipt
from protocol.signing import labels
from protocol.signing.batch import BatchVerifier, sign_batch

REMEMBERED_BATCHES = 4_096
"""Batch signatures of peers that are not verified twice."""


@dataclass(frozen=True, slots=True)
class ClerkDesk:
    """What a clerk works with.

    Attributes:
        identity: this node.
        signer: gives the node's present signing key, or raises `NodeError` if it has none in use.
        peers: the directory.
        clock: the time.
        entropy: for ids and salts.
    """

    identity: PeerIdentity
    signer: Callable[[], Signer]
    peers: PeerBook
    clock: Clock
    entropy: Entropy


class Clerk:
    """Makes and checks receipts. `verify` belongs to the event loop, `sign` to the transaction."""

    def __init__(self, desk: ClerkDesk) -> None:
        self._desk = desk
        self._verifier = BatchVerifier(REMEMBERED_BATCHES)

    @property
    def authority(self) -> AuthorityId:
        """The authority this node speaks for."""
        return self._desk.identity.authority

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return unix_ms(self._desk.clock.now())

    def can_sign(self) -> bool:
        """Say whether this node has a key in use now."""
        try:
            self._desk.signer()
        except NodeError:
            return False
        return True

    def sign(self, entries: Mapping[AuthorityId, Sequence[ReceiptEntry]]) -> list[SignedReceipt]:
        """Sign receipts.

        Args:
            entries: by the authority that each receipt is for; any number of entries.

        Returns:
            The receipts in order: for each authority as many as its entries need.
        """
        signer = self._desk.signer()
        receipts = [
            self._receipt(signer, to, tuple(listed[at : at + limits.MAX_RECEIPT_ENTRIES]))
            for to, listed in entries.items()
            for at in range(0, len(listed), limits.MAX_RECEIPT_ENTRIES)
        ]
        written = [receipt.to_bytes() for receipt in receipts]
        signed: list[SignedReceipt] = []
        for at in range(0, len(written), limits.MAX_SIGNED_BATCH):
            some = written[at : at + limits.MAX_SIGNED_BATCH]
            digests = [sha256(octets).digest() for octets in some]
            blocks = sign_batch(signer, labels.RECEIPT, digests, self._desk.entropy)
            signed.extend(map(SignedReceipt, some, blocks, receipts[at:]))
        return signed

    def verify(self, signed: SignedReceipt, peer: AuthorityId) -> None:
        """Verify a receipt that a peer gave us.

        Raises:
            RemoteProtocolError: not one of that peer for us.
        """
        content = signed.content
        if content.issuer.authority != peer or content.to != self.authority:
            raise UntrustedError("a receipt of somebody else, or for somebody else")
        try:
            key = self._desk.peers.signing_key(peer, content.issuer.key)
        except ProtocolError:
            raise UntrustedError("a receipt under a key that the directory does not hold") from None
        digest = sha256(signed.receipt).digest()
        self._verifier.verify(key, labels.RECEIPT, digest, signed.signature)

    def _receipt(self, signer: Signer, to: AuthorityId, entries: tuple[ReceiptEntry, ...]) -> Receipt:
        now = self._desk.clock.now()
        identity = self._desk.identity
        randomness = self._desk.entropy.random_bytes(10)
        return Receipt(
            receipt_id=RecordId(str(uuid7(unix_ms(now), randomness))),
            issuer=Issuer(identity.authority, identity.node, signer.key_id),
            to=to,
            created=now.replace(microsecond=now.microsecond // 1000 * 1000),
            entries=entries,
            directory=self._desk.peers.view(),
        )


def unix_ms(moment: datetime) -> int:
    """Return Unix time in milliseconds."""
    return int((moment - _EPOCH).total_seconds() * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
