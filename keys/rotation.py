# SPDX-License-Identifier: Apache-2.0
"""Giving a node new keys, and what the directory is told about the old ones. It writes and sends nothing.

1. First the key file holds the new keys beside the old, then the directory names the new ones. Wherever this
   is cut, the node can still use what the directory names; `step_of` says where it stands.
2. A former decryption key is kept until nothing that was sealed to it can still be on its way.
3. Rotation never changes what old records say: they stay signed by the key of their time.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from keys.decryption_key import XWingKey
from keys.errors import KeyMaterialError
from keys.node_keys import AuthorityRoot, FormerDecryptionKey, FormerSigningKey, NodeKeys, certify
from keys.signing_key import CompositeSigningKey
from keys.tls_identity import TLSIdentity
from protocol import limits
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.identifiers import KeyId
from protocol.interfaces import Entropy

KEEP_DECRYPTION: Final = timedelta(seconds=2 * limits.MAX_LIFETIME_SECONDS)
"""Twice as long as an envelope may live: a sender may not have heard of the new key for a while."""
KEEP_SIGNING: Final = timedelta(seconds=limits.MAX_LIFETIME_SECONDS)


MAX_FORMER: Final = 16
"""Former keys of one kind in a key file, so that it keeps a bound."""


class Step(StrEnum):
    """How a node's key file and the directory stand to each other."""

    IN_STEP = "in_step"
    """The directory names the current keys."""
    DIRECTORY_BEHIND = "directory_behind"
    """The directory names keys that were replaced here: publish the new ones."""
    KEYS_MISSING = "keys_missing"
    """The directory names keys that this node does not hold: an old key file, or a foreign entry."""


def rotate_node_key(
    root: AuthorityRoot, current: NodeKeys, now: datetime, entropy: Entropy, *, with_tls: bool = False
) -> NodeKeys:
    """Make a new signing key, certified by the root, and a new decryption key; keep the old ones for a while.

    Args:
        root: root key of the same authority.
        current: keys as they are.
        now: aware UTC time.
        entropy: draws every seed apart.
        with_tls: make a new TLS certificate too; links to peers break until the directory names it.

    Raises:
        KeyMaterialError: the root is that of another authority.
    """
    if root.authority != current.authority:
        raise KeyMaterialError(
            f"the root key of {root.authority} can't certify a node of {current.authority}",
            hint="Name the root key file of the same authority.",
        )
    signing = CompositeSigningKey.generate(entropy)
    tls_name = f"{current.node}.{current.authority}"
    return replace(
        current,
        signing=signing,
        certificate=certify(root, current.node, signing, now=now, entropy=entropy),
        encryption=XWingKey.generate(entropy),
        tls=TLSIdentity.generate(tls_name, now, entropy) if with_tls else current.tls,
        former_encryption=(
            FormerDecryptionKey(current.encryption, now),
            *(former for former in current.former_encryption if now - former.replaced_at < KEEP_DECRYPTION),
        )[:MAX_FORMER],
        former_signing=(
            FormerSigningKey(current.signing, current.certificate, now),
            *(former for former in current.former_signing if now - former.replaced_at < KEEP_SIGNING),
        )[:MAX_FORMER],
    )


def step_of(held: NodeKeys, named: KeyId) -> Step:
    """Compare the keys of a node with the signing key that its directory entry names."""
    if named == held.signing.key_id:
        return Step.IN_STEP
    return Step.KEYS_MISSING if held.signing_key(named) is None else Step.DIRECTORY_BEHIND


def revocation(key_id: KeyId, *, compromised_since: datetime | None = None) -> RetireKey | CompromisedKey:
    """Return the directory operation that ends the use of a node's keys.

    Args:
        key_id: of the node's signing key; it stands for all keys published with it.
        compromised_since: since when somebody else may hold it; None for an ordinary end, after which what it
            signed before stays good.

    Spec: PROTOCOL.md section 10.4.
    """
    if compromised_since is None:
        return RetireKey(key=key_id)
    return CompromisedKey(key=key_id, since=compromised_since)
