# SPDX-License-Identifier: Apache-2.0
"""What nodes sign about groups outside of them: the part that is common to all of it.

1. Every such object names its issuer (authority, node, key) and when it was made, beside its own members.
2. It is judged as evidence: the key was the issuer's at that moment by its certificate, and is not
   compromised. A retired key keeps what it signed. A compromised one keeps nothing: the object itself does
   not prove when it was made.
3. An issuer whose exchange is stopped keeps what it said; whether to go on with it is asked elsewhere.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from protocol import canonical, limits
from protocol.canonical import JSONObject
from protocol.directory.entries import NodeState
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.errors import UnknownIssuerError
from protocol.identifiers import Digest, parse_authority_id, parse_digest, parse_key_id, parse_node_id
from protocol.interfaces import Signer
from protocol.receipts import Issuer
from protocol.signing.signed_object import VERSION, Kind, Members, parse_signed, sign_object, verify_signed

T = TypeVar("T")
_COMMON = frozenset(("created", "issuer"))
_ISSUER = frozenset(("authority", "node", "key"))
_TOLERANCE = timedelta(seconds=limits.CLOCK_TOLERANCE_SECONDS)


def kind_of_testimony(what: str, label: str, members: frozenset[str], max_body_bytes: int = 4096) -> Kind:
    """Return the kind of an object with these members, beside the common ones."""
    return Kind(what, label, members | _COMMON, max_body_bytes)


def sign_testimony(
    kind: Kind,
    signer: Signer,
    members: JSONObject,
    *,
    issuer: Issuer,
    created: datetime,
    read: Callable[[Members], object],
) -> bytes:
    """Sign an object: `u8 1 || op(body) || op(signature)`.

    Args:
        kind: what is signed.
        signer: holds the key that `issuer` names.
        members: its own members.
        issuer: who says it.
        created: when.
        read: how a receiver reads it.

    Raises:
        LocalProtocolError: another issuer than the signer, or what nobody would take (`bad_field`).
    """
    if issuer.key != signer.key_id:
        raise LocalProtocolError("the signer is not the issuer", code=ReasonCode.BAD_FIELD)
    body = canonical.to_bytes(
        {
            **members,
            "v": VERSION,
            "created": canonical.moment_text(created),
            "issuer": {"authority": issuer.authority, "node": issuer.node, "key": issuer.key},
        }
    )
    return sign_object(kind, signer, body, read)


def issuer_of(members: Members) -> Issuer:
    """Return who signed, as the object claims.

    Raises:
        MalformedError: not the members of an issuer, or one outside its rule.
    """
    issuer = members.object("issuer", _ISSUER)
    return Issuer(
        authority=parse_authority_id(issuer.text("authority")),
        node=parse_node_id(issuer.text("node")),
        key=parse_key_id(issuer.text("key")),
    )


def group_id_of(members: Members) -> bytes:
    """Return the id of the group, 32 bytes, which stands there as 64 hex digits.

    Raises:
        MalformedError: another length or form.
    """
    return bytes.fromhex(parse_digest(members.text("group")))


def digest_of(members: Members, name: str) -> Digest:
    """Return a member that is a SHA-256 in hex.

    Raises:
        MalformedError: another length or form.
    """
    return parse_digest(members.text(name))


def authenticator_hash(epoch_authenticator: bytes) -> Digest:
    """Return the hash by which an epoch is compared outside of the group: SHA-256, hex.

    Equal hashes say that two members have the same group, with the same members, keys and history.

    Spec: RFC 9420 section 8.7.
    """
    return Digest(sha256(epoch_authenticator).hexdigest())


def verify_testimony(
    kind: Kind, data: bytes, read: Callable[[Members], T], directory: DirectoryState, now: datetime
) -> T:
    """Read an object, and check its signature and that its key may count as the issuer's.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: an object of another version.
        UnknownIssuerError: the directory here knows no such node key; a newer one may.
        UntrustedError: the key of another node, out of its time or compromised, or the signature fails.
        RemoteProtocolError: made in the future, beyond the clock tolerance (`not_yet_valid`).
    """
    signed = parse_signed(kind, data)
    said = read(signed.members)
    issuer, created = issuer_of(signed.members), signed.members.moment("created")
    if created > now + _TOLERANCE:
        raise RemoteProtocolError(f"{kind.what} from the future", code=ReasonCode.NOT_YET_VALID)
    entry = directory.authority(issuer.authority)
    node = entry.node_with_key(issuer.key) if entry is not None else None
    if node is None:
        raise UnknownIssuerError(f"{kind.what} by a key that the directory does not list")
    if node.node != issuer.node or not node.covers(created) or node.state is NodeState.COMPROMISED:
        raise UntrustedError(f"{kind.what} by a key that may not say it")
    verify_signed(kind, signed, node.signing)
    return said
