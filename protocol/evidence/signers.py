# SPDX-License-Identifier: Apache-2.0
"""Who signed what, and whether the key held at the time. It does not look for what is missing.

1. A key is taken from the directory by its id, never from the record; the authority and the node named must
   be the ones it belongs to.
2. A retired key keeps what it signed; the directory does not prove when it was retired.
3. What a compromised key signed holds only if another authority had it before the moment of the compromise.
4. That an authority is suspended or disputed by now is told and changes nothing: nobody gets rid of its own
   words by forking its chain.
"""

from collections.abc import Mapping
from datetime import datetime

from protocol.directory.entries import AuthorityStatus, NodeEntry
from protocol.directory.replay import DirectoryState
from protocol.errors import RemoteProtocolError, UntrustedError
from protocol.evidence.exhibits import Accusation, Exhibit, Slip
from protocol.evidence.report import Check, Finding
from protocol.groups.testimony.hub_receipt import parse_hub_receipt, verify_hub_signature
from protocol.identifiers import AuthorityId, Digest, KeyId, NodeId
from protocol.receipts import receipt_hash
from protocol.signing import labels
from protocol.signing.batch import BatchVerifier

REMEMBERED_BATCHES = 64
"""Batch signatures that are verified once while a bundle is read."""


class Signers:
    """The keys of the directory in a bundle, and what they signed."""

    def __init__(self, state: DirectoryState) -> None:
        self._state = state
        self._verifier = BatchVerifier(REMEMBERED_BATCHES)

    def record_signature(self, exhibit: Exhibit) -> Check:
        """Verify the signature of a record by the key that was its author's."""
        author = exhibit.content.author
        try:
            node = self._node(author.authority, author.node, author.key)
            digest = bytes.fromhex(exhibit.digest)
            self._verifier.verify(node.signing, labels.RECORD, digest, exhibit.evidence.signature)
        except RemoteProtocolError as error:
            return exhibit.check("signature", Finding.FAILS, f"{exhibit.label}: {error}")
        return exhibit.check("signature", Finding.HOLDS, exhibit.label)

    def record_key(self, exhibit: Exhibit, receipted: datetime | None, proven: datetime | None) -> Check:
        """Judge the key of a record whose signature holds.

        Args:
            exhibit: the record.
            receipted: when another authority receipted it.
            proven: when another authority provably had it, by a receipt for it or for a later record.

        Spec: PROTOCOL.md section 14.3.
        """
        content = exhibit.content
        node = self._state.node_with_key(content.author.authority, content.author.key)
        moment = receipted or content.created
        if not node.covers(moment):
            return exhibit.check("key", Finding.FAILS, "outside the time of its certificate")
        if node.since is not None and (proven is None or proven >= node.since):
            detail = "the key is compromised, and no receipt shows that the record is older"
            return exhibit.check("key", Finding.DISPUTED, detail)
        known = "receipted by another authority" if receipted else "no receipt, its author names the time"
        detail = f"{node.state.lower()} key, {known}{self._standing(content.author.authority)}"
        return exhibit.check("key", Finding.HOLDS, detail)

    def receipt(self, slip: Slip) -> Check:
        """Verify the signature of a receipt, and judge its key.

        Spec: PROTOCOL.md section 14.3.
        """
        issuer, content = slip.content.issuer, slip.content
        try:
            node = self._node(issuer.authority, issuer.node, issuer.key)
            digest = bytes.fromhex(receipt_hash(slip.signed.receipt))
            self._verifier.verify(node.signing, labels.RECEIPT, digest, slip.signed.signature)
        except RemoteProtocolError as error:
            return slip.check("signature", Finding.FAILS, f"{issuer.authority}: {error}")
        if not node.covers(content.created):
            return slip.check("signature", Finding.FAILS, "outside the time of its certificate")
        if node.since is not None:
            return slip.check("signature", Finding.DISPUTED, "the key is compromised; it proves nothing")
        detail = f"{issuer.authority}, {len(content.entries)} entries{self._standing(issuer.authority)}"
        return slip.check("signature", Finding.HOLDS, detail)

    def accusation(self, accusation: Accusation) -> Check:
        """Verify the two hub receipts of a proof, and judge their keys.

        Spec: PROTOCOL.md section 14.3.
        """
        for data in (accusation.proof.first, accusation.proof.second):
            claimed = parse_hub_receipt(data)
            hub = claimed.issuer
            try:
                node = self._node(hub.authority, hub.node, hub.key)
                verify_hub_signature(data, node.signing)
            except RemoteProtocolError as error:
                return accusation.check("signature", Finding.FAILS, f"{claimed.hub}: {error}")
            if not node.covers(claimed.created):
                return accusation.check("signature", Finding.FAILS, "outside the time of its certificate")
            if node.since is not None:
                detail = "the key is compromised; it proves nothing"
                return accusation.check("signature", Finding.DISPUTED, detail)
        detail = f"{accusation.first.hub}{self._standing(accusation.first.issuer.authority)}"
        return accusation.check("signature", Finding.HOLDS, detail)

    def _node(self, authority: AuthorityId, node: NodeId, key: KeyId) -> NodeEntry:
        entry = self._state.node_with_key(authority, key)
        if entry.node != node:
            raise UntrustedError("the key of another node")
        return entry

    def _standing(self, authority: AuthorityId) -> str:
        entry = self._state.authority(authority)
        if entry is None or entry.status is AuthorityStatus.ACTIVE:
            return ""
        return f"; its authority is {entry.status.lower()} by now"


def earliest_receipts(slips: tuple[Slip, ...]) -> Mapping[Digest, datetime]:
    """Return when another authority first receipted each record.

    Args:
        slips: receipts whose signature and key hold.
    """
    earliest: dict[Digest, datetime] = {}
    for slip in slips:
        content = slip.content
        for entry in content.entries:
            if entry.record and not entry.status.is_own_word:
                digest = Digest(entry.record)
                earliest[digest] = min(content.created, earliest.get(digest, content.created))
    return earliest
