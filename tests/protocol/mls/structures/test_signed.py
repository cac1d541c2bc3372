# SPDX-License-Identifier: Apache-2.0
"""What is signed in a leaf, a key package and a group info, and what refers to whole structures."""

from dataclasses import replace

import pytest

from protocol.errors import UntrustedError
from protocol.mls.structures.extensions import BasicCredential, Extension
from protocol.mls.structures.group_info import (
    GROUP_INFO_LABEL,
    GroupContext,
    GroupInfo,
    verify_group_info_signature,
)
from protocol.mls.structures.key_packages import (
    KEY_PACKAGE_LABEL,
    KeyPackage,
    verify_key_package_signature,
)
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
)
from protocol.mls.structures.nodes import (
    LEAF_LABEL,
    Capabilities,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    verify_leaf_signature,
)
from protocol.mls.structures.proposals import Remove, UpdatePath, UpdatePathNode, parse_update_path
from protocol.mls.structures.vectors import Encoded
from protocol.mls.suites import PRODUCT_SUITE as SUITE
from protocol.mls.suites import HpkeCiphertext
from protocol.octets import op
from tests.support.entropy import SeededEntropy

SIGNER, OTHER = (
    SUITE.signature.key_pair(SeededEntropy(f"signed {number}").random_bytes(32)) for number in (1, 2)
)
LEAF = LeafNode(
    encryption_key=b"encryption",
    signature_key=SIGNER.public,
    credential=BasicCredential(b"identity"),
    capabilities=Capabilities(),
    source=LeafNodeSource.KEY_PACKAGE,
    lifetime=Lifetime(1, 2),
)
PACKAGE = KeyPackage(SUITE.number, b"init", LEAF)
INFO = GroupInfo(GroupContext(SUITE.number, b"group", 1, b"tree", b"transcript"), (), b"tag", 3)


def sign(label: str, content: bytes) -> bytes:
    return SUITE.sign_with_label(SIGNER.private, label, content)


def without_signature(structure: Encoded) -> bytes:
    """An empty signature is one octet, its length."""
    return structure.to_bytes()[:-1]


def test_a_key_package_is_signed_but_for_its_signature() -> None:
    """Spec: RFC 9420 section 10."""
    signed = replace(PACKAGE, signature=sign(KEY_PACKAGE_LABEL, without_signature(PACKAGE)))
    assert signed.tbs() == PACKAGE.tbs() == without_signature(PACKAGE)
    verify_key_package_signature(SUITE, signed)
    for forged in (
        PACKAGE,
        replace(signed, init_key=b"other"),
        replace(signed, extensions=(Extension(1, b""),)),
        replace(signed, leaf_node=replace(LEAF, signature_key=OTHER.public)),
        replace(signed, signature=sign(LEAF_LABEL, without_signature(PACKAGE))),
    ):
        with pytest.raises(UntrustedError):
            verify_key_package_signature(SUITE, forged)


def test_a_group_info_is_signed_but_for_its_signature() -> None:
    """Spec: RFC 9420 section 12.4.3."""
    signed = replace(INFO, signature=sign(GROUP_INFO_LABEL, without_signature(INFO)))
    assert signed.tbs() == INFO.tbs() == without_signature(INFO)
    verify_group_info_signature(SUITE, signed, SIGNER.public)
    for forged, key in (
        (INFO, SIGNER.public),
        (signed, OTHER.public),
        (replace(signed, signer=4), SIGNER.public),
        (replace(signed, confirmation_tag=b"other"), SIGNER.public),
        (replace(signed, signature=sign(KEY_PACKAGE_LABEL, without_signature(INFO))), SIGNER.public),
    ):
        with pytest.raises(UntrustedError):
            verify_group_info_signature(SUITE, forged, key)


def test_a_leaf_is_signed_with_its_place_unless_it_is_in_a_key_package() -> None:
    """Spec: RFC 9420 section 7.2."""
    signed = replace(LEAF, signature=sign(LEAF_LABEL, without_signature(LEAF)))
    verify_leaf_signature(SUITE, signed)
    update = replace(LEAF, source=LeafNodeSource.UPDATE, lifetime=None)
    place = op(b"group") + (5).to_bytes(4, "big")
    in_group = replace(update, signature=sign(LEAF_LABEL, without_signature(update) + place))
    verify_leaf_signature(SUITE, in_group, group_id=b"group", leaf_index=5)
    for forged, group_id, index in (
        (in_group, b"group", 4),
        (in_group, b"Group", 5),
        (replace(in_group, encryption_key=b"other"), b"group", 5),
        (replace(update, signature=sign(LEAF_LABEL, without_signature(update))), b"group", 5),
    ):
        with pytest.raises(UntrustedError):
            verify_leaf_signature(SUITE, forged, group_id=group_id, leaf_index=index)


def test_references_are_hashes_of_the_whole() -> None:
    """Spec: RFC 9420 section 5.2."""
    content = FramedContent(b"group", 1, Sender(SenderType.MEMBER, 1), b"", Remove(1))
    proposal = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, AuthData(b"signed"))
    octets = b"\0\1" + content.to_bytes() + op(b"signed")
    assert proposal.to_bytes() == octets
    assert proposal.reference(SUITE) == SUITE.hash(op(b"MLS 1.0 Proposal Reference") + op(octets))
    package = PACKAGE.to_bytes()
    assert PACKAGE.reference(SUITE) == SUITE.hash(op(b"MLS 1.0 KeyPackage Reference") + op(package))


def test_a_path_is_its_leaf_and_its_nodes() -> None:
    node = UpdatePathNode(b"key", (HpkeCiphertext(b"kem", b"sealed"),))
    path = UpdatePath(LEAF, (node,))
    inner = op(b"key") + op(op(b"kem") + op(b"sealed"))
    assert path.to_bytes() == LEAF.to_bytes() + op(inner)
    assert parse_update_path(path.to_bytes()) == path
