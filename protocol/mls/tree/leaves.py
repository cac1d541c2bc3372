# SPDX-License-Identifier: Apache-2.0
"""The rules of RFC 9420 for leaves: each alone, and all leaves of a tree together.

Not the question who a member is: credentials are the application's. Not the lifetime, which needs a clock.

1. A leaf is judged by itself once, when it comes into our tree (`verify_leaf`): its signature, its keys, and
   whether it supports what it uses.
2. All leaves are judged together after every change (`verify_leaves_together`): a new leaf, or new extensions
   of the group, may ask something of all others.
"""

from collections.abc import Iterable

from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.mls.structures.extensions import (
    DEFAULT_EXTENSION_TYPES,
    Extensions,
    ExtensionType,
    RequiredCapabilities,
    find_extension,
    parse_required_capabilities,
)
from protocol.mls.structures.nodes import (
    LEAF_LABEL,
    PROTOCOL_VERSION,
    LeafNode,
    LeafNodeSource,
    verify_leaf_signature,
)
from protocol.mls.structures.proposals import DEFAULT_PROPOSAL_TYPES
from protocol.mls.suites import Suite
from protocol.mls.tree.ratchet_tree import RatchetTree


def sign_leaf(
    leaf: LeafNode, *, suite: Suite, signature_key: bytes, group_id: bytes, leaf_index: int
) -> LeafNode:
    """Return the leaf with a signature by its own key.

    Args:
        leaf: complete but for its signature, which is replaced.
        suite: of the group.
        signature_key: private key that belongs to `leaf.signature_key`.
        group_id: of the group; it is signed unless the leaf is for a key package.
        leaf_index: number of the leaf; it is signed unless the leaf is for a key package.

    Spec: RFC 9420 section 7.2.
    """
    signature = suite.sign_with_label(signature_key, LEAF_LABEL, leaf.tbs(group_id, leaf_index))
    return leaf.with_signature(signature)


# --- one leaf -----------------------------------------------------------------------------------------------
def require_source(leaf: LeafNode, source: LeafNodeSource) -> None:
    """Refuse a leaf that came from elsewhere than it says.

    Raises:
        MalformedError: it says another source.

    Spec: RFC 9420 section 7.3.
    """
    if leaf.source != source:
        raise MalformedError("a leaf of the wrong source", code=ReasonCode.BAD_CONTENT)


def verify_leaf(leaf: LeafNode, *, suite: Suite, group_id: bytes | None, leaf_index: int | None) -> None:
    """Judge a leaf by itself.

    Args:
        leaf: in a tree, or on its way into one.
        suite: of the group.
        group_id: of the group; not needed for a leaf of a key package.
        leaf_index: number of the leaf; not needed for a leaf of a key package.

    Raises:
        MalformedError: it does not list as supported what it uses.
        UntrustedError: a key cannot be admitted, or the signature does not hold.

    Spec: RFC 9420 sections 7.2 and 7.3.
    """
    verify_own_support(leaf)
    suite.signature.require_public_key(leaf.signature_key)
    suite.kem.require_public_key(leaf.encryption_key)
    verify_leaf_signature(suite, leaf, group_id=group_id, leaf_index=leaf_index)


def verify_own_support(leaf: LeafNode) -> None:
    """Check that a leaf lists the protocol, its credential and its extensions as supported.

    Whether it lists the suite of the group is left to the application: leaves in the field do not.

    Raises:
        MalformedError: it does not.

    Spec: RFC 9420 sections 7.2, 7.3 and 11.1.
    """
    known = leaf.capabilities
    if PROTOCOL_VERSION not in known.versions or leaf.credential.credential_type not in known.credentials:
        raise _unsupported()
    _require_extensions(leaf, (extension.extension_type for extension in leaf.extensions))


# --- all leaves ---------------------------------------------------------------------------------------------
def verify_leaves(
    tree: RatchetTree, *, group_id: bytes, extensions: Extensions, before: RatchetTree | None = None
) -> None:
    """Judge all leaves of a tree, each alone and all together.

    Args:
        tree: as it came, or as a commit made it.
        group_id: of the group.
        extensions: of the GroupContext that belongs to the tree.
        before: a tree of the same group whose leaves were judged; what did not change since then is not
            judged again by itself.

    Raises:
        MalformedError: a leaf that does not support what it, the group or another member uses.
        UntrustedError: a key that is in two leaves or cannot be admitted, or a signature that does not hold.

    Spec: RFC 9420 sections 7.3 and 12.4.3.1.
    """
    for index, leaf in tree.members():
        if before is None or before.leaf(index) is not leaf:
            verify_leaf(leaf, suite=tree.suite, group_id=group_id, leaf_index=index)
    verify_leaves_together(tree, extensions)


def verify_leaves_together(tree: RatchetTree, extensions: Extensions) -> None:
    """Check what leaves of one tree ask of each other.

    Args:
        tree: the leaves.
        extensions: of the GroupContext that belongs to the tree.

    Raises:
        MalformedError: a leaf that does not support what the group or another member uses.
        UntrustedError: a key that is in two leaves.

    Spec: RFC 9420 sections 7.3, 11.1 and 13.4.
    """
    leaves = [leaf for _, leaf in tree.members()]
    required = required_of(extensions)
    for leaf in leaves:
        verify_group_support(leaf, extensions, required)
    credentials = {leaf.credential.credential_type for leaf in leaves}
    if any(not credentials.issubset(leaf.capabilities.credentials) for leaf in leaves):
        raise _unsupported()
    for different in (
        {leaf.encryption_key for leaf in leaves},
        {leaf.signature_key for leaf in leaves},
    ):
        if len(different) != len(leaves):
            raise UntrustedError("a key that two members have")


def verify_group_support(leaf: LeafNode, extensions: Extensions, required: RequiredCapabilities) -> None:
    """Check that a leaf supports the extensions of a group, and what the group requires.

    Args:
        leaf: of a member, or of somebody who is to become one.
        extensions: of the GroupContext.
        required: what `required_of` found in them.

    Raises:
        MalformedError: it does not.

    Spec: RFC 9420 sections 7.3, 11.1 and 13.4.
    """
    _require_extensions(leaf, (extension.extension_type for extension in extensions))
    _require_extensions(leaf, required.extensions)
    proposals, credentials = set(required.proposals), set(required.credentials)
    if not proposals.difference(DEFAULT_PROPOSAL_TYPES).issubset(leaf.capabilities.proposals):
        raise _unsupported()
    if not credentials.issubset(leaf.capabilities.credentials):
        raise _unsupported()


def required_of(extensions: Extensions) -> RequiredCapabilities:
    """Return what a group requires of its members; nothing without that extension.

    Raises:
        MalformedError: the extension is not what it should be.

    Spec: RFC 9420 section 11.1.
    """
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return RequiredCapabilities() if data is None else parse_required_capabilities(data)


def _require_extensions(leaf: LeafNode, needed: Iterable[int]) -> None:
    if not set(needed).difference(DEFAULT_EXTENSION_TYPES).issubset(leaf.capabilities.extensions):
        raise _unsupported()


def _unsupported() -> MalformedError:
    return MalformedError("a leaf that does not support what is used", code=ReasonCode.BAD_CONTENT)
