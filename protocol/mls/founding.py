# SPDX-License-Identifier: Apache-2.0
"""The first member of a group, and what others need to add somebody: leaves, key packages, a group of one.

1. A leaf is drafted by the application: who it is, which signature key, what it supports. Encryption keys are
   drawn here and never given.
2. The init key and the leaf key of a key package are different, and both are used for one group only.
"""

from dataclasses import dataclass, field, replace

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.interfaces import Entropy
from protocol.mls import schedule
from protocol.mls.changes.epochs import enter
from protocol.mls.changes.rules import verify_key_package
from protocol.mls.group import Group
from protocol.mls.structures.extensions import Credential, Extensions
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.key_packages import KEY_PACKAGE_LABEL, KeyPackage
from protocol.mls.structures.nodes import Capabilities, LeafNode, LeafNodeSource, Lifetime
from protocol.mls.suites import KeyPair, Suite
from protocol.mls.tree import arithmetic
from protocol.mls.tree.leaves import sign_leaf, verify_leaves
from protocol.mls.tree.path import NodeKeys
from protocol.mls.tree.ratchet_tree import found_tree


@dataclass(frozen=True, slots=True)
class LeafDraft:
    """What an application decides of a leaf.

    Attributes:
        signature: key pair of the leaf, used for this group or key package only if the application likes.
        credential: who it is.
        capabilities: what it supports beyond the defaults.
        lifetime: when it may be used.
        extensions: what else it says.
    """

    signature: KeyPair = field(repr=False)
    credential: Credential
    capabilities: Capabilities
    lifetime: Lifetime
    extensions: Extensions = ()


@dataclass(frozen=True, slots=True)
class KeyPackageSecrets:
    """A key package with its private side; gone as soon as a group was joined with it.

    Attributes:
        package: what others get.
        init_private: opens a Welcome.
        encryption_private: of the leaf.
        signature_private: of the leaf.
    """

    package: KeyPackage
    init_private: bytes = field(repr=False)
    encryption_private: bytes = field(repr=False)
    signature_private: bytes = field(repr=False)


def make_key_package(
    suite: Suite, draft: LeafDraft, entropy: Entropy, *, extensions: Extensions = ()
) -> KeyPackageSecrets:
    """Make a key package.

    Args:
        suite: of the groups it is for.
        draft: its leaf.
        entropy: draws init key and leaf key.
        extensions: of the key package itself, such as the last resort mark.

    Raises:
        LocalProtocolError: nobody would take it.

    Spec: RFC 9420 section 10.
    """
    init = suite.derive_key_pair(entropy.random_bytes(suite.hash_bytes))
    own = _own_leaf(suite, draft, entropy)
    unsigned = KeyPackage(suite.number, init.public, own.leaf, extensions)
    signature = suite.sign_with_label(draft.signature.private, KEY_PACKAGE_LABEL, unsigned.tbs())
    package = replace(unsigned, signature=signature)
    try:
        verify_key_package(suite, package)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=refused.code) from None
    return KeyPackageSecrets(package, init.private, own.private, draft.signature.private)


def found_group(
    suite: Suite, group_id: bytes, draft: LeafDraft, *, extensions: Extensions = (), entropy: Entropy
) -> Group:
    """Make a group of one.

    Args:
        suite: of the group, for ever.
        group_id: chosen so that nobody chooses it again.
        draft: the leaf of its only member.
        extensions: of the group context.
        entropy: draws the leaf key and the first epoch secret.

    Raises:
        LocalProtocolError: no id, or a leaf that does not support what the group asks (`bad_field`).

    Spec: RFC 9420 section 11.
    """
    if not group_id:
        raise LocalProtocolError("a group without an id", code=ReasonCode.BAD_FIELD)
    own = _own_leaf(suite, draft, entropy)
    tree = found_tree(suite, own.leaf)
    try:
        verify_leaves(tree, group_id=group_id, extensions=extensions)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
    context = GroupContext(
        cipher_suite=suite.number,
        group_id=group_id,
        epoch=0,
        tree_hash=tree.tree_hash(),
        confirmed_transcript_hash=b"",
        extensions=extensions,
    )
    return enter(
        context,
        schedule.begin_from_epoch_secret(suite, entropy.random_bytes(suite.hash_bytes)),
        tree=tree,
        node_keys=NodeKeys(0, {arithmetic.node_of(0): own.private}),
        signature_private=draft.signature.private,
    )


@dataclass(frozen=True, slots=True)
class _OwnLeaf:
    leaf: LeafNode
    private: bytes = field(repr=False)


def _own_leaf(suite: Suite, draft: LeafDraft, entropy: Entropy) -> _OwnLeaf:
    pair = suite.derive_key_pair(entropy.random_bytes(suite.hash_bytes))
    leaf = LeafNode(
        encryption_key=pair.public,
        signature_key=draft.signature.public,
        credential=draft.credential,
        capabilities=draft.capabilities,
        source=LeafNodeSource.KEY_PACKAGE,
        lifetime=draft.lifetime,
        extensions=draft.extensions,
    )
    signed = sign_leaf(leaf, suite=suite, signature_key=draft.signature.private, group_id=b"", leaf_index=0)
    return _OwnLeaf(signed, pair.private)
