# SPDX-License-Identifier: Apache-2.0
"""Who holds which keys: a node, an authority (its root), a network officer. In memory; files are `keystore`.

1. A node has one current key of each kind. Beside them it keeps what it still needs of the past: the signing
   key that its directory entry may still name, and the decryption keys that senders may still use.
2. A bundle is a value: rotation makes a new one. It can't be made of parts that do not belong together.
3. The root key signs node certificates and statements about its own authority, and nothing else.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from keys.decryption_key import XWingKey
from keys.errors import KeyMaterialError
from keys.log_key import LogKey
from keys.signing_key import CompositeSigningKey
from keys.storage_key import StorageKey
from keys.tls_identity import TLSIdentity
from protocol import limits
from protocol.errors import RemoteProtocolError
from protocol.identifiers import AuthorityId, KeyId, NodeId
from protocol.interfaces import Entropy
from protocol.signing.certificate import NodeCertificate, issue, parse_certificate

CERTIFICATE_VALIDITY: Final = timedelta(days=365)
CERTIFICATE_BACKDATED: Final = timedelta(seconds=limits.CLOCK_TOLERANCE_SECONDS)


@dataclass(frozen=True, slots=True)
class AuthorityRoot:
    """The key an authority is known by; kept off line where possible."""

    authority: AuthorityId
    signing: CompositeSigningKey

    @classmethod
    def generate(cls, authority: AuthorityId, entropy: Entropy) -> "AuthorityRoot":
        """Make a new root key."""
        return cls(authority, CompositeSigningKey.generate(entropy))


@dataclass(frozen=True, slots=True)
class OfficerKey:
    """The key of one network officer, who signs admissions together with others.

    Attributes:
        office: which office holds it, for example `officer-1`; never the name of a person.
        signing: its key.
    """

    office: str
    signing: CompositeSigningKey

    @classmethod
    def generate(cls, office: str, entropy: Entropy) -> "OfficerKey":
        """Make a new officer key."""
        return cls(office, CompositeSigningKey.generate(entropy))


def certify(
    root: AuthorityRoot, node: NodeId, signing: CompositeSigningKey, *, now: datetime, entropy: Entropy
) -> bytes:
    """Issue the certificate of a node's signing key, as wire bytes.

    It holds for a year, from a little before now: clocks differ.

    Spec: PROTOCOL.md section 6.
    """
    start = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return issue(
        root.signing,
        NodeCertificate(
            serial=entropy.random_bytes(16).hex(),
            authority=root.authority,
            node=node,
            key=signing.admitted,
            not_before=start - CERTIFICATE_BACKDATED,
            not_after=start + CERTIFICATE_VALIDITY,
            issuer=root.signing.key_id,
        ),
    )


@dataclass(frozen=True, slots=True)
class FormerDecryptionKey:
    """A decryption key that was replaced and still opens what was on its way.

    Attributes:
        key: the key.
        replaced_at: when it stopped being offered; aware UTC.
    """

    key: XWingKey
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class FormerSigningKey:
    """A signing key that was replaced and that the directory may still name.

    Attributes:
        key: the key.
        certificate: its certificate, as wire bytes.
        replaced_at: when its successor was made; aware UTC.
    """

    key: CompositeSigningKey
    certificate: bytes = field(repr=False)
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """Everything secret that one running node needs.

    Attributes:
        authority: whose node it is.
        node: its name within the authority.
        signing: signs records and receipts.
        certificate: the authority root's certificate for `signing`, as wire bytes.
        encryption: the key that the directory offers to senders.
        storage: seals rows of the store.
        log: signs checkpoints of the audit log.
        tls: certificate and key of its links.
        former_encryption: decryption keys replaced not long ago, newest first.
        former_signing: signing keys that the directory may still name, newest first.

    Raises:
        KeyMaterialError: a certificate is not that of its key, node and authority.
    """

    authority: AuthorityId
    node: NodeId
    signing: CompositeSigningKey
    certificate: bytes = field(repr=False)
    encryption: XWingKey
    storage: StorageKey
    log: LogKey
    tls: TLSIdentity
    former_encryption: tuple[FormerDecryptionKey, ...] = ()
    former_signing: tuple[FormerSigningKey, ...] = ()

    def __post_init__(self) -> None:
        self._require_certificate_of(self.signing, self.certificate)
        for former in self.former_signing:
            self._require_certificate_of(former.key, former.certificate)

    @classmethod
    def generate(cls, root: AuthorityRoot, node: NodeId, now: datetime, entropy: Entropy) -> "NodeKeys":
        """Make the keys of a new node, certified by its authority's root.

        Args:
            root: the authority's root key; its authority becomes the node's.
            node: name of the node.
            now: aware UTC time, from which certificates hold.
            entropy: draws every seed apart.
        """
        signing = CompositeSigningKey.generate(entropy)
        return cls(
            authority=root.authority,
            node=node,
            signing=signing,
            certificate=certify(root, node, signing, now=now, entropy=entropy),
            encryption=XWingKey.generate(entropy),
            storage=StorageKey.generate(entropy),
            log=LogKey.generate(entropy),
            tls=TLSIdentity.generate(f"{node}.{root.authority}", now, entropy),
        )

    @property
    def decryption(self) -> tuple[XWingKey, ...]:
        """Every key that may open something, newest first; the first is offered to senders."""
        return (self.encryption, *(former.key for former in self.former_encryption))

    def decryption_key(self, key_id: KeyId) -> XWingKey | None:
        """Return the decryption key with this id, if this node holds it."""
        return next((key for key in self.decryption if key.key_id == key_id), None)

    def signing_key(self, key_id: KeyId) -> CompositeSigningKey | None:
        """Return the signing key with this id, current or former.

        A node signs with the key that the directory names: after a rotation that the directory has not heard
        of yet, that is the former one.
        """
        held = (self.signing, *(former.key for former in self.former_signing))
        return next((key for key in held if key.key_id == key_id), None)

    def _require_certificate_of(self, signing: CompositeSigningKey, certificate: bytes) -> None:
        try:
            found = parse_certificate(certificate).certificate
        except RemoteProtocolError:
            found = None
        if found is None or (found.authority, found.node, found.key) != (
            self.authority,
            self.node,
            signing.admitted,
        ):
            raise KeyMaterialError(
                "a node certificate does not belong to its key",
                hint="Restore the key file from a copy; nothing was changed.",
            )
