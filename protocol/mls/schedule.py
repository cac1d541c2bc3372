# SPDX-License-Identifier: Apache-2.0
"""The key schedule: from one epoch, what a commit adds and the new group context, the secrets of the next.

It keeps nothing and knows no group; what is done with the secrets is the business of its callers.

1. Each secret has one use and one label; none is used to make two kinds of key.
2. What only serves while an epoch begins (`joiner_secret`, `confirmation_key`, `encryption_secret`) stands
   apart from what stays as long as the epoch (`EpochSecrets`).
3. A pre-shared key that is not there is an error of whoever looks it up; nothing here makes one up.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol.errors import LocalProtocolError, UntrustedError
from protocol.mls.suites import Suite
from protocol.octets import Writer, op

MAX_EXPORTED_BYTES = 255 * 32
"""What HKDF can give with the shortest hash of any suite."""


@dataclass(frozen=True, slots=True)
class EpochSecrets:
    """What a member keeps while an epoch lasts; each `hash_bytes` long.

    Attributes:
        init_secret: goes into the next epoch, then is gone.
        sender_data_secret: hides who sent a private message.
        exporter_secret: gives secrets for other uses.
        external_secret: gives the key pair for joining without an invitation.
        membership_key: proves that a public message comes from a member.
        resumption_psk: proves later that we were there.
        epoch_authenticator: not secret among members; equal for all who see the same group.

    Spec: RFC 9420 section 8, table 4.
    """

    init_secret: bytes = field(repr=False)
    sender_data_secret: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)
    external_secret: bytes = field(repr=False)
    membership_key: bytes = field(repr=False)
    resumption_psk: bytes = field(repr=False)
    epoch_authenticator: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The secrets at the beginning of an epoch.

    Attributes:
        encryption_secret: root of the secret tree.
        confirmation_key: makes the confirmation tag.
        secrets: what stays.
    """

    encryption_secret: bytes = field(repr=False)
    confirmation_key: bytes = field(repr=False)
    secrets: EpochSecrets = field(repr=False)


@dataclass(frozen=True, slots=True)
class Psk:
    """A pre-shared key that goes into an epoch.

    Attributes:
        psk_id: the `PreSharedKeyID` as bytes.
        secret: the key itself.
    """

    psk_id: bytes
    secret: bytes = field(repr=False)


def joiner_secret(suite: Suite, init_secret: bytes, commit_secret: bytes, context: bytes) -> bytes:
    """Return what a joiner is told, from the last epoch and the commit.

    Args:
        suite: the suite of the group.
        init_secret: of the epoch before.
        commit_secret: from the path, or zeros.
        context: the new `GroupContext` as bytes.

    Spec: RFC 9420 section 8.
    """
    extracted = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(extracted, "joiner", context, suite.hash_bytes)


def welcome_secret(suite: Suite, joiner: bytes, psk: bytes) -> bytes:
    """Return what protects the group information of a welcome.

    Args:
        suite: the suite of the group.
        joiner: from `joiner_secret`.
        psk: from `psk_secret`.

    Spec: RFC 9420 section 8.
    """
    return suite.derive_secret(suite.extract(joiner, psk), "welcome")


def welcome_key(suite: Suite, welcome: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce for the group information of a welcome.

    Spec: RFC 9420 section 12.4.3.1.
    """
    key = suite.expand_with_label(welcome, "key", b"", suite.key_bytes)
    return key, suite.expand_with_label(welcome, "nonce", b"", suite.nonce_bytes)


def begin_epoch(suite: Suite, joiner: bytes, psk: bytes, context: bytes) -> Beginning:
    """Return the secrets of an epoch.

    Args:
        suite: the suite of the group.
        joiner: from `joiner_secret`.
        psk: from `psk_secret`.
        context: the `GroupContext` of the epoch as bytes.

    Spec: RFC 9420 section 8.
    """
    member = suite.extract(joiner, psk)
    return begin_from_epoch_secret(suite, suite.expand_with_label(member, "epoch", context, suite.hash_bytes))


def begin_from_epoch_secret(suite: Suite, epoch_secret: bytes) -> Beginning:
    """Return the secrets of an epoch whose `epoch_secret` is at hand: a new group draws it.

    Spec: RFC 9420 sections 8 and 11.
    """
    derive = suite.derive_secret
    secrets = EpochSecrets(
        init_secret=derive(epoch_secret, "init"),
        sender_data_secret=derive(epoch_secret, "sender data"),
        exporter_secret=derive(epoch_secret, "exporter"),
        external_secret=derive(epoch_secret, "external"),
        membership_key=derive(epoch_secret, "membership"),
        resumption_psk=derive(epoch_secret, "resumption"),
        epoch_authenticator=derive(epoch_secret, "authentication"),
    )
    return Beginning(
        encryption_secret=derive(epoch_secret, "encryption"),
        confirmation_key=derive(epoch_secret, "confirm"),
        secrets=secrets,
    )


def psk_secret(suite: Suite, psks: Sequence[Psk]) -> bytes:
    """Join pre-shared keys, in the order of the commit; without any, zeros.

    Spec: RFC 9420 section 8.4.
    """
    zeros = bytes(suite.hash_bytes)
    joined = zeros
    for index, psk in enumerate(psks):
        label = Writer().raw(psk.psk_id).u16(index).u16(len(psks)).to_bytes()
        extracted = suite.extract(zeros, psk.secret)
        joined = suite.extract(
            suite.expand_with_label(extracted, "derived psk", label, suite.hash_bytes), joined
        )
    return joined


# --- transcript and confirmation --------------------------------------------------------------------------
def confirmed_transcript_hash(suite: Suite, interim: bytes, commit: bytes) -> bytes:
    """Return the hash over all commits up to the signature of this one.

    Args:
        suite: the suite of the group.
        interim: the interim transcript hash of the epoch before.
        commit: wire format, framed content and signature of the commit as bytes.

    Spec: RFC 9420 section 8.2.
    """
    return suite.hash(interim + commit)


def interim_transcript_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """Return the hash over all commits with the confirmation of the last.

    Spec: RFC 9420 section 8.2.
    """
    return suite.hash(confirmed + op(confirmation_tag))


def confirmation_tag(suite: Suite, confirmation_key: bytes, confirmed: bytes) -> bytes:
    """Return the tag that says: we came to the same group.

    Spec: RFC 9420 section 6.1.
    """
    return suite.mac(confirmation_key, confirmed)


def verify_confirmation(suite: Suite, confirmation_key: bytes, confirmed: bytes, tag: bytes) -> None:
    """Check a confirmation tag.

    Raises:
        UntrustedError: whoever made it came to another group.

    Spec: RFC 9420 sections 6.1 and 12.4.2.
    """
    if not hmac.compare_digest(confirmation_tag(suite, confirmation_key, confirmed), tag):
        raise UntrustedError("a confirmation that does not hold")


# --- other uses -------------------------------------------------------------------------------------------
def export(suite: Suite, exporter_secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """Return a secret for another use, which the label names.

    Raises:
        LocalProtocolError: no or too many bytes are wanted.

    Spec: RFC 9420 section 8.5.
    """
    if not 0 < size <= MAX_EXPORTED_BYTES:
        raise LocalProtocolError("an exported secret of no or too many bytes")
    secret = suite.derive_secret(exporter_secret, label)
    return suite.expand_with_label(secret, "exported", suite.hash(context), size)
