# SPDX-License-Identifier: Apache-2.0
"""What is inside a key file: bundles of keys to members and back. It seals nothing and opens no file.

1. Only seeds and certificates are kept; public keys and ids are derived again on reading.
2. Each bundle checks on reading that its parts belong together; a file never half-opens.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from keys.at_rest.members import (
    milliseconds_of,
    moment,
    objects,
    octets,
    one_object,
    require_names,
    text,
    whole,
)
from keys.at_rest.sealed_file import FileKind
from keys.decryption_key import XWingKey
from keys.errors import KeyFileDamagedError
from keys.log_key import LogKey
from keys.node_keys import AuthorityRoot, FormerDecryptionKey, FormerSigningKey, NodeKeys, OfficerKey
from keys.secret import SecretBytes
from keys.signing_key import CompositeSigningKey
from keys.storage_key import StorageKey
from keys.tls_identity import TLSIdentity
from protocol.canonical import JSONObject
from protocol.errors import MalformedError, ProtocolError
from protocol.identifiers import parse_authority_id, parse_node_id
from protocol.octets import base64_text

Bundle = NodeKeys | AuthorityRoot | OfficerKey
B = TypeVar("B", NodeKeys, AuthorityRoot, OfficerKey)

VERSION: Final = 1
MAX_OFFICE_CHARACTERS: Final = 63
_ROOT_MEMBERS: Final = frozenset({"v", "authority", "signing"})
_OFFICER_MEMBERS: Final = frozenset({"v", "office", "signing"})
_NODE_MEMBERS: Final = frozenset(
    {"v", "authority", "node", "signing", "encryption", "storage", "log", "tls"}
    | {"former_signing", "former_encryption"}
)
_CERTIFIED: Final = frozenset({"secret", "certificate"})
_REPLACED: Final = frozenset({"secret", "replaced_ms"})


def kind_of(bundle: Bundle) -> FileKind:
    """Return which kind of file holds this bundle."""
    if isinstance(bundle, NodeKeys):
        return FileKind.NODE
    return FileKind.ROOT if isinstance(bundle, AuthorityRoot) else FileKind.OFFICER


def members_of(bundle: Bundle) -> JSONObject:
    """Write a bundle as the members of a key file."""
    if isinstance(bundle, NodeKeys):
        return _node_members(bundle)
    if isinstance(bundle, AuthorityRoot):
        return {"v": VERSION, "authority": bundle.authority, "signing": _secret_text(bundle.signing.secret)}
    return {"v": VERSION, "office": bundle.office, "signing": _secret_text(bundle.signing.secret)}


def parse_node(members: JSONObject) -> NodeKeys:
    """Read the keys of a node, or raise `KeyFileDamagedError`."""
    return _parse(_node, members)


def parse_root(members: JSONObject) -> AuthorityRoot:
    """Read the root key of an authority, or raise `KeyFileDamagedError`."""
    return _parse(_root, members)


def parse_officer(members: JSONObject) -> OfficerKey:
    """Read the key of an officer, or raise `KeyFileDamagedError`."""
    return _parse(_officer, members)


def _parse(read: Callable[[JSONObject], B], members: JSONObject) -> B:
    try:
        if whole(members, "v") != VERSION:
            raise MalformedError("a version of the contents of a key file")
        return read(members)
    except (ProtocolError, ValueError):
        raise KeyFileDamagedError(
            "the key file opens, but what is inside does not fit together",
            hint="Restore the file from a copy; nothing was changed.",
        ) from None


def _root(members: JSONObject) -> AuthorityRoot:
    require_names(members, _ROOT_MEMBERS)
    return AuthorityRoot(parse_authority_id(text(members, "authority")), _signing(members, "signing"))


def _officer(members: JSONObject) -> OfficerKey:
    require_names(members, _OFFICER_MEMBERS)
    office = text(members, "office")
    if not 1 <= len(office) <= MAX_OFFICE_CHARACTERS:
        raise MalformedError("the office of a key file")
    return OfficerKey(office, _signing(members, "signing"))


def _node_members(bundle: NodeKeys) -> JSONObject:
    return {
        "v": VERSION,
        "authority": bundle.authority,
        "node": bundle.node,
        "signing": _with_certificate(bundle.signing.secret, bundle.certificate),
        "encryption": _secret_text(bundle.encryption.secret),
        "storage": _secret_text(bundle.storage.secret),
        "log": _secret_text(bundle.log.secret),
        "tls": _with_certificate(bundle.tls.seed, bundle.tls.certificate_der),
        "former_signing": [
            {
                **_with_certificate(former.key.secret, former.certificate),
                "replaced_ms": milliseconds_of(former.replaced_at),
            }
            for former in bundle.former_signing
        ],
        "former_encryption": [
            {"secret": _secret_text(former.key.secret), "replaced_ms": milliseconds_of(former.replaced_at)}
            for former in bundle.former_encryption
        ],
    }


def _node(members: JSONObject) -> NodeKeys:
    require_names(members, _NODE_MEMBERS)
    signing, tls = one_object(members, "signing"), one_object(members, "tls")
    require_names(signing, _CERTIFIED)
    require_names(tls, _CERTIFIED)
    return NodeKeys(
        authority=parse_authority_id(text(members, "authority")),
        node=parse_node_id(text(members, "node")),
        signing=_signing(signing, "secret"),
        certificate=octets(signing, "certificate"),
        encryption=XWingKey(_secret(members, "encryption")),
        storage=StorageKey(_secret(members, "storage")),
        log=LogKey(_secret(members, "log")),
        tls=TLSIdentity(octets(tls, "certificate"), _secret(tls, "secret")),
        former_encryption=tuple(
            FormerDecryptionKey(XWingKey(_secret(item, "secret")), moment(item, "replaced_ms"))
            for item in _items(members, "former_encryption", _REPLACED)
        ),
        former_signing=tuple(
            FormerSigningKey(
                _signing(item, "secret"), octets(item, "certificate"), moment(item, "replaced_ms")
            )
            for item in _items(members, "former_signing", _CERTIFIED | _REPLACED)
        ),
    )


def _items(members: JSONObject, name: str, names: frozenset[str]) -> tuple[JSONObject, ...]:
    items = objects(members, name)
    for item in items:
        require_names(item, names)
    return items


def _signing(members: JSONObject, name: str) -> CompositeSigningKey:
    return CompositeSigningKey(_secret(members, name))


def _secret(members: JSONObject, name: str) -> SecretBytes:
    return SecretBytes(octets(members, name))


def _with_certificate(secret: SecretBytes, certificate: bytes) -> JSONObject:
    return {"secret": _secret_text(secret), "certificate": base64_text(certificate)}


def _secret_text(secret: SecretBytes) -> str:
    return base64_text(secret.reveal())
