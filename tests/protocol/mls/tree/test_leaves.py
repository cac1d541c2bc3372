# SPDX-License-Identifier: Apache-2.0
"""Leaves that break one rule: alone, or beside the others of their tree."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.errors import MalformedError, UntrustedError
from protocol.mls.structures.extensions import (
    BasicCredential,
    Extension,
    Extensions,
    ExtensionType,
    RequiredCapabilities,
    X509Credential,
)
from protocol.mls.structures.nodes import Capabilities, LeafNode, LeafNodeSource, verify_leaf_signature
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.leaves import (
    require_source,
    required_of,
    verify_leaf,
    verify_leaves,
    verify_leaves_together,
)
from protocol.octets import op
from tests.support.edwards import BASE, TORSION, L, add, challenge, encode, multiply
from tests.support.mls_trees import GROUP_ID, Grove, grown

CAPABLE = Capabilities(cipher_suites=(1,), extensions=(0xF0E1,), proposals=(0xF001,), credentials=(1,))
GROUP_EXTENSION = Extension(0xF0E1, b"content")


def required(**numbers: tuple[int, ...]) -> Extensions:
    return (Extension(ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(**numbers).to_bytes()),)


def judged(leaf: LeafNode, *, grove: Grove, group_id: bytes = GROUP_ID, leaf_index: int = 0) -> None:
    verify_leaf(leaf, suite=grove.suite, group_id=group_id, leaf_index=leaf_index)


# --- alone: sections 7.2 and 7.3 ----------------------------------------------------------------------------
def test_a_good_leaf_of_each_source() -> None:
    grove = grown(2)
    judged(grove.seed().content, grove=grove)
    judged(grove.seed().content, grove=grove, group_id=b"another", leaf_index=7)
    judged(grove.update_seed(5).content, grove=grove, leaf_index=5)
    assert grove.content(0).source == LeafNodeSource.COMMIT
    judged(grove.content(0), grove=grove)


@pytest.mark.parametrize("source", [LeafNodeSource.UPDATE, LeafNodeSource.COMMIT])
def test_a_leaf_of_a_group_is_bound_to_the_group_and_its_place(source: LeafNodeSource) -> None:
    grove = grown(2)
    leaf = grove.update_seed(0).content if source == LeafNodeSource.UPDATE else grove.content(0)
    with pytest.raises(UntrustedError):
        judged(leaf, grove=grove, leaf_index=1)
    with pytest.raises(UntrustedError):
        judged(leaf, grove=grove, group_id=b"another")


@pytest.mark.parametrize(
    "changes",
    [
        {"encryption_key": bytes(31) + b"\x07"},
        {"credential": BasicCredential(b"somebody else")},
        {"capabilities": CAPABLE},
        {"parent_hash": bytes(32)},
        {"extensions": (Extension(ExtensionType.APPLICATION_ID, b""),)},
        {"signature": b""},
        {"signature": bytes(64)},
        {"source": LeafNodeSource.UPDATE, "parent_hash": None},
    ],
    ids="-".join,
)
def test_whatever_changes_in_a_leaf_breaks_its_signature(changes: dict[str, Any]) -> None:
    grove = grown(2)
    with pytest.raises(UntrustedError):
        judged(replace(grove.content(0), **changes), grove=grove)


def test_a_leaf_is_signed_with_its_own_key() -> None:
    grove = grown(2)
    foreign = grove.signed(grove.content(0), grove.seats[1].signature_key)
    with pytest.raises(UntrustedError):
        judged(foreign, grove=grove)


@pytest.mark.parametrize(
    "key",
    [b"", bytes(31), bytes(33), b"\x01" + bytes(31), bytes(32), b"\xff" * 32],
    ids=["none", "short", "long", "neutral", "zero", "not-canonical"],
)
def test_a_signature_key_that_cannot_be_admitted(key: bytes) -> None:
    """With the neutral point as a key, the neutral point is a signature of everything."""
    grove = Grove()
    leaf = replace(grove.seed(signature_key=key).content, signature=b"\x01" + bytes(63))
    with pytest.raises(UntrustedError):
        judged(leaf, grove=grove)


def test_a_signature_key_that_is_not_of_prime_order() -> None:
    """Its signature holds, so only the admission of the key refuses it."""
    grove = Grove()
    key = encode(add(multiply(5, BASE), TORSION[4]))
    leaf = grove.seed(signature_key=key).content
    message = op(b"MLS 1.0 LeafNodeTBS") + op(leaf.tbs(None, None))
    for nonce in range(1, 100):
        commitment = encode(multiply(nonce, BASE))
        said = challenge(commitment, key, message)
        if said % 2 == 0:
            signature = commitment + ((nonce + said * 5) % L).to_bytes(32, "little")
            break
    signed = replace(leaf, signature=signature)
    verify_leaf_signature(grove.suite, signed)
    with pytest.raises(UntrustedError, match="not a public key that can be admitted"):
        judged(signed, grove=grove)


def test_an_encryption_key_that_cannot_be_admitted() -> None:
    grove = Grove(PRODUCT_SUITE)
    good = grove.seed().content
    judged(good, grove=grove)
    for wrong in (
        good.encryption_key[:-1],
        good.encryption_key[:-32] + bytes(32),
        b"\xff" * 1184 + good.encryption_key[-32:],
    ):
        with pytest.raises(UntrustedError):
            judged(grove.seed(encryption_key=wrong).content, grove=grove)


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": Capabilities(versions=(), credentials=(1,))},
        {"capabilities": Capabilities(versions=(2, 0x0A0A), credentials=(1,))},
        {"capabilities": Capabilities(credentials=())},
        {"capabilities": Capabilities(credentials=(2, 0x0A0A))},
        {"credential": X509Credential((b"certificate",))},
        {"extensions": (GROUP_EXTENSION,)},
        {"extensions": (Extension(0x0A0A, b""),)},
    ],
    ids=["no-version", "version", "no-credential", "credential", "other-credential", "extension", "grease"],
)
def test_a_leaf_must_list_what_it_uses(changes: dict[str, Any]) -> None:
    grove = Grove()
    with pytest.raises(MalformedError):
        judged(grove.seed(**changes).content, grove=grove)


def test_a_leaf_need_not_list_defaults_and_may_list_anything() -> None:
    grove = Grove()
    greased = Capabilities(
        versions=(0x0A0A, 1),
        cipher_suites=(0x1A1A, 1),
        extensions=(0x2A2A, 0xF0E1),
        proposals=(0x3A3A,),
        credentials=(0x4A4A, 1),
    )
    extensions = (Extension(ExtensionType.APPLICATION_ID, b"id"), GROUP_EXTENSION, Extension(0x2A2A, b"?"))
    judged(grove.seed(capabilities=greased, extensions=extensions).content, grove=grove)


@pytest.mark.parametrize("source", LeafNodeSource)
def test_a_leaf_must_come_from_where_it_says(source: LeafNodeSource) -> None:
    grove = grown(2)
    leaves = [grove.seed().content, grove.update_seed(0).content, grove.content(0)]
    for leaf in leaves:
        if leaf.source == source:
            require_source(leaf, source)
        else:
            with pytest.raises(MalformedError):
                require_source(leaf, source)


# --- together: sections 7.3, 11.1 and 13.4 ------------------------------------------------------------------
def test_every_member_must_support_what_the_group_requires() -> None:
    grove = Grove()
    able = grove.add(grove.seed(capabilities=CAPABLE))
    tree = grove.tree.remove_leaf(0)
    for extensions in (
        required(extensions=(0xF0E1,)),
        required(proposals=(0xF001,)),
        required(extensions=(0xF0E1,), proposals=(0xF001,), credentials=(1,)),
        (GROUP_EXTENSION,),
    ):
        verify_leaves_together(tree, extensions)
        with pytest.raises(MalformedError):
            verify_leaves_together(grove.tree, extensions)
    for extensions in (
        required(extensions=(0xF0E2,)),
        required(proposals=(0xF002,)),
        required(credentials=(2,)),
        (Extension(0xF0E2, b""),),
    ):
        with pytest.raises(MalformedError):
            verify_leaves_together(tree, extensions)
    assert tree.leaf(able) is not None


def test_defaults_may_be_required_of_everybody() -> None:
    grove = Grove()
    extensions = required(extensions=(1, 2, 3, 4, 5), proposals=(1, 2, 3, 4, 5, 6, 7), credentials=(1,))
    verify_leaves_together(grove.tree, extensions)
    assert required_of(extensions).proposals == (1, 2, 3, 4, 5, 6, 7)
    assert required_of(()) == RequiredCapabilities()


def test_requirements_that_cannot_be_read_are_refused() -> None:
    broken = (Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\x00\x00"),)
    with pytest.raises(MalformedError):
        verify_leaves_together(Grove().tree, broken)


def test_every_member_must_support_the_credentials_of_all() -> None:
    both = Capabilities(cipher_suites=(1,), credentials=(1, 2))
    grove = Grove()
    x509 = grove.seed(credential=X509Credential((b"certificate",)), capabilities=both)
    grove.add(x509)
    with pytest.raises(MalformedError):
        verify_leaves_together(grove.tree, ())
    verify_leaves_together(grove.tree.update_leaf(0, grove.seed(capabilities=both).content), ())


def test_a_leaf_with_another_credential_must_support_that_of_the_others() -> None:
    grove = Grove()
    tree = grove.tree.update_leaf(0, grove.seed(capabilities=Capabilities(credentials=(1, 2))).content)
    alone = grove.seed(
        credential=X509Credential((b"certificate",)), capabilities=Capabilities(credentials=(2,))
    )
    with pytest.raises(MalformedError):
        verify_leaves_together(tree.add_leaf(alone.content)[0], ())


@pytest.mark.parametrize("key", ["encryption_key", "signature_key"])
def test_two_members_have_no_key_in_common(key: str) -> None:
    grove = grown(3)
    tree = grove.resigned(2, **{key: getattr(grove.content(0), key)})
    with pytest.raises(UntrustedError, match="a key that two members have"):
        verify_leaves_together(tree, ())


# --- a whole tree, and what a commit changed ----------------------------------------------------------------
def test_each_leaf_of_a_tree_is_judged() -> None:
    grove = grown(4)
    verify_leaves(grove.tree, group_id=GROUP_ID, extensions=())
    for leaf in range(4):
        wrong = replace(grove.content(leaf), signature=bytes(64))
        with pytest.raises(UntrustedError):
            verify_leaves(grove.tree.with_nodes({2 * leaf: wrong}), group_id=GROUP_ID, extensions=())


def test_a_leaf_that_did_not_change_is_not_judged_again_by_itself() -> None:
    grove = grown(4)
    wrong = grove.tree.with_nodes({2: replace(grove.content(1), signature=bytes(64))})
    after = wrong.with_nodes({4: grove.update_seed(2).content})
    verify_leaves(after, group_id=GROUP_ID, extensions=(), before=wrong)
    with pytest.raises(UntrustedError):
        verify_leaves(after, group_id=GROUP_ID, extensions=(), before=grove.tree)
    with pytest.raises(MalformedError):
        verify_leaves(after, group_id=GROUP_ID, extensions=(GROUP_EXTENSION,), before=wrong)


def test_a_leaf_that_moved_is_judged_again() -> None:
    grove = grown(4)
    moved = grove.tree.with_nodes({2: grove.content(0), 0: grove.content(1)})
    with pytest.raises(UntrustedError):
        verify_leaves(moved, group_id=GROUP_ID, extensions=(), before=grove.tree)
