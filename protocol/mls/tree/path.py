# SPDX-License-Identifier: Apache-2.0
"""Update paths: new keys from a leaf to the root, told to everybody else below the root.

Not the content of a new leaf beyond its keys, which the caller decides, and not the rules for leaves
(`protocol.mls.tree.leaves`).

1. Who makes a path draws it first (`draw_path`), which gives the tree that it leads to, and encrypts it then
   (`encrypt_path`), because the encryption is bound to the hash of that tree.
2. Who gets a path merges it first (`merge_path`), which judges what is public in it, and opens it then
   (`open_path`). A key that does not follow from its secret is refused.
3. A private key is kept only as long as its node has the key that belongs to it; path secrets are not kept.
4. New members of the same commit learn nothing from a path; they get their secret with the Welcome.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.interfaces import Entropy
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource, ParentNode
from protocol.mls.structures.proposals import UpdatePath, UpdatePathNode
from protocol.mls.suites import KeyPair, decrypt_with_label, encrypt_with_label
from protocol.mls.tree import arithmetic
from protocol.mls.tree.leaves import sign_leaf
from protocol.mls.tree.ratchet_tree import PathStep, RatchetTree, path_parents, with_path

_LABEL = "UpdatePathNode"


# --- private keys -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The private keys that one member has: of its leaf, and of ancestors of its leaf.

    Attributes:
        leaf: number of the member's leaf.
        by_node: private key by node.

    Spec: RFC 9420 section 4.2.
    """

    leaf: int
    by_node: Mapping[int, bytes] = field(repr=False)

    def with_leaf_key(self, private_key: bytes) -> "NodeKeys":
        """Replace the key of the leaf."""
        return NodeKeys(self.leaf, {**self.by_node, arithmetic.node_of(self.leaf): private_key})

    def kept_in(self, tree: RatchetTree) -> "NodeKeys":
        """Forget the keys of nodes that are blank in a tree; call this after proposals were applied.

        Spec: RFC 9420 section 7.4.
        """
        nodes = tree.nodes
        kept = {
            node: key for node, key in self.by_node.items() if node < len(nodes) and nodes[node] is not None
        }
        return NodeKeys(self.leaf, kept)


# --- making a path ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PathDraft:
    """A path that is drawn and not yet encrypted. It holds secrets and lives no longer than its commit.

    Attributes:
        tree: as the path leaves it.
        leaf: number of the maker's leaf.
        steps: the filtered path of that leaf.
        secrets: one path secret for each step.
        node_keys: all private keys that the maker has afterwards.
        commit_secret: for the key schedule.
    """

    tree: RatchetTree
    leaf: int
    steps: tuple[PathStep, ...]
    secrets: tuple[bytes, ...] = field(repr=False)
    node_keys: NodeKeys
    commit_secret: bytes = field(repr=False)

    def secret_for(self, leaf: int) -> bytes:
        """Return the path secret that the Welcome of a new member at a leaf carries.

        Spec: RFC 9420 section 12.4.3.1.
        """
        meeting = arithmetic.common_ancestor(self.leaf, leaf)
        for step, secret in zip(self.steps, self.secrets, strict=True):
            if step.node == meeting:
                return secret
        raise LocalProtocolError("no member of the tree is at this leaf")


def draw_path(
    tree: RatchetTree,
    content: LeafNode,
    *,
    leaf: int,
    group_id: bytes,
    signature_key: bytes,
    entropy: Entropy,
) -> PathDraft:
    """Draw new keys for a leaf and its filtered path.

    Args:
        tree: with all proposals of the commit applied.
        content: what the new leaf says; source, encryption key, parent hash and signature are replaced.
        leaf: number of the maker's leaf, which may be blank if it joins by this commit.
        group_id: of the group.
        signature_key: private key that belongs to `content.signature_key`.
        entropy: draws the key of the leaf and the first path secret.

    Spec: RFC 9420 sections 7.4 and 7.5.
    """
    suite = tree.suite
    steps = tuple(tree.filtered_path(leaf))
    own = suite.derive_key_pair(entropy.random_bytes(suite.hash_bytes))
    secret = entropy.random_bytes(suite.hash_bytes)
    secrets: list[bytes] = []
    pairs: list[KeyPair] = []
    for _ in steps:
        secrets.append(secret)
        pairs.append(suite.derive_key_pair(suite.derive_secret(secret, "node")))
        secret = suite.derive_secret(secret, "path")
    parents, parent_hash = path_parents(tree, steps, [pair.public for pair in pairs])
    signed = sign_leaf(
        replace(
            content,
            encryption_key=own.public,
            source=LeafNodeSource.COMMIT,
            lifetime=None,
            parent_hash=parent_hash,
        ),
        suite=suite,
        signature_key=signature_key,
        group_id=group_id,
        leaf_index=leaf,
    )
    private = {step.node: pair.private for step, pair in zip(steps, pairs, strict=True)}
    private[arithmetic.node_of(leaf)] = own.private
    return PathDraft(
        tree=with_path(tree, leaf, signed, parents),
        leaf=leaf,
        steps=steps,
        secrets=tuple(secrets),
        node_keys=NodeKeys(leaf, private),
        commit_secret=secret,
    )


def encrypt_path(
    draft: PathDraft, *, context: bytes, new_leaves: Collection[int], entropy: Entropy
) -> UpdatePath:
    """Encrypt each secret of a path to the members beside its node.

    Args:
        draft: of this commit.
        context: the provisional GroupContext, encoded; its tree hash is that of `draft.tree`.
        new_leaves: numbers of the leaves that the same commit added; they are left out.
        entropy: for the encryption.

    Spec: RFC 9420 section 7.6.
    """
    suite, tree = draft.tree.suite, draft.tree
    nodes: list[UpdatePathNode] = []
    for step, secret in zip(draft.steps, draft.secrets, strict=True):
        encrypted = tuple(
            encrypt_with_label(
                suite, _key_at(tree, node), label=_LABEL, context=context, plaintext=secret, entropy=entropy
            )
            for node in _addressed(tree, step, new_leaves)
        )
        nodes.append(UpdatePathNode(_key_at(tree, step.node), encrypted))
    content = tree.leaf(draft.leaf)
    if content is None:
        raise LocalProtocolError("a path without its leaf")
    return UpdatePath(content, tuple(nodes))


# --- getting a path -----------------------------------------------------------------------------------------
def merge_path(tree: RatchetTree, path: UpdatePath, *, leaf: int) -> RatchetTree:
    """Put somebody else's path into the tree.

    The rules for leaves are checked afterwards, in the tree that is returned.

    Args:
        tree: with all proposals of the commit applied.
        path: from the commit.
        leaf: number of the sender's leaf; blank if it joins by this commit.

    Raises:
        MalformedError: wrong length or wrong source.
        UntrustedError: a key that was used before or cannot be admitted, or a wrong parent hash.

    Spec: RFC 9420 sections 7.5, 7.9.2 and 12.4.2.
    """
    if path.leaf_node.source is not LeafNodeSource.COMMIT:
        raise MalformedError("a path whose leaf is not made for it", code=ReasonCode.BAD_CONTENT)
    steps = tree.filtered_path(leaf)
    if len(path.nodes) != len(steps):
        raise MalformedError("a path of the wrong length", code=ReasonCode.BAD_CONTENT)
    _verify_fresh_keys(tree, path)
    parents, parent_hash = path_parents(tree, steps, [node.encryption_key for node in path.nodes])
    if not hmac.compare_digest(path.leaf_node.parent_hash or b"", parent_hash):
        raise UntrustedError("a path whose leaf does not stand for its nodes")
    return with_path(tree, leaf, path.leaf_node, parents)


@dataclass(frozen=True, slots=True)
class OpenedPath:
    """What a path tells one member.

    Attributes:
        node_keys: all private keys that the member has afterwards.
        commit_secret: for the key schedule.
    """

    node_keys: NodeKeys
    commit_secret: bytes = field(repr=False)


def open_path(
    tree: RatchetTree,
    path: UpdatePath,
    *,
    leaf: int,
    node_keys: NodeKeys,
    context: bytes,
    new_leaves: Collection[int],
) -> OpenedPath:
    """Decrypt the secret that a path has for us, and derive what follows from it.

    Args:
        tree: as `merge_path` returned it.
        path: from the commit.
        leaf: number of the sender's leaf, not ours.
        node_keys: our private keys, as `kept_in` left them after the proposals.
        context: the provisional GroupContext, encoded; its tree hash is that of `tree`.
        new_leaves: numbers of the leaves that the same commit added.

    Raises:
        MalformedError: a wrong number of ciphertexts anywhere in the path.
        UntrustedError: it cannot be opened, or a key does not follow from its secret.

    Spec: RFC 9420 sections 7.5 and 7.6.
    """
    steps = tree.filtered_path(leaf)
    addressed = [_addressed(tree, step, new_leaves) for step in steps]
    if [len(node.encrypted_path_secret) for node in path.nodes] != [len(nodes) for nodes in addressed]:
        raise MalformedError("a path with a wrong number of ciphertexts", code=ReasonCode.BAD_CONTENT)
    at = _meeting(steps, leaf, node_keys.leaf)
    place = next((place for place, node in enumerate(addressed[at]) if node in node_keys.by_node), None)
    if place is None:
        raise UntrustedError("cannot be opened")
    secret = decrypt_with_label(
        tree.suite,
        node_keys.by_node[addressed[at][place]],
        label=_LABEL,
        context=context,
        encrypted=path.nodes[at].encrypted_path_secret[place],
    )
    found, commit_secret = _derive_upwards(tree, steps[at:], secret)
    gone = set(arithmetic.direct_path(arithmetic.node_of(leaf), tree.leaf_count))
    kept = {node: key for node, key in node_keys.by_node.items() if node not in gone}
    return OpenedPath(NodeKeys(node_keys.leaf, {**kept, **found}), commit_secret)


def keys_of_joiner(
    tree: RatchetTree, *, leaf: int, leaf_key: bytes, sender: int, path_secret: bytes | None
) -> NodeKeys:
    """Return the private keys of a member that a Welcome brought.

    Args:
        tree: of the Welcome, verified.
        leaf: number of the member's leaf.
        leaf_key: its private key.
        sender: number of the leaf whose member made the commit.
        path_secret: from the Welcome, if the commit had a path.

    Raises:
        UntrustedError: a key does not follow from its secret, or the member does not get a key that all
            others expect it to have.

    Spec: RFC 9420 section 12.4.3.1.
    """
    private = {arithmetic.node_of(leaf): leaf_key}
    if path_secret is not None:
        steps = tree.filtered_path(sender)
        private |= _derive_upwards(tree, steps[_meeting(steps, sender, leaf) :], path_secret)[0]
    for node in arithmetic.direct_path(arithmetic.node_of(leaf), tree.leaf_count):
        found = tree.nodes[node]
        if isinstance(found, ParentNode) and leaf not in found.unmerged_leaves and node not in private:
            raise UntrustedError("a member without a key that it must have")
    return NodeKeys(leaf, private)


# --- both ---------------------------------------------------------------------------------------------------
def _key_at(tree: RatchetTree, node: int) -> bytes:
    """Return the public key of a node; of a blank node, none."""
    found = tree.nodes[node]
    return b"" if found is None else found.encryption_key


def _addressed(tree: RatchetTree, step: PathStep, new_leaves: Collection[int]) -> list[int]:
    """Return the nodes to which the secret of a step is encrypted."""
    without = set(map(arithmetic.node_of, new_leaves))
    return [node for node in tree.resolution(step.beside) if node not in without]


def _meeting(steps: list[PathStep], sender: int, leaf: int) -> int:
    """Return the place of the first step that is above a leaf that is not the sender's."""
    meeting = arithmetic.common_ancestor(sender, leaf)
    for place, step in enumerate(steps):
        if step.node == meeting and sender != leaf:
            return place
    raise UntrustedError("a path that does not meet ours")


def _derive_upwards(
    tree: RatchetTree, steps: list[PathStep], secret: bytes
) -> tuple[dict[int, bytes], bytes]:
    """Return the private keys of steps, and the commit secret, from the path secret of the first of them."""
    suite = tree.suite
    private: dict[int, bytes] = {}
    for step in steps:
        pair = suite.derive_key_pair(suite.derive_secret(secret, "node"))
        if not hmac.compare_digest(pair.public, _key_at(tree, step.node)):
            raise UntrustedError("a key that does not follow from its secret")
        private[step.node] = pair.private
        secret = suite.derive_secret(secret, "path")
    return private, secret


def _verify_fresh_keys(tree: RatchetTree, path: UpdatePath) -> None:
    """Refuse a path with a key that is in the tree already, or in the path twice, or that cannot be used."""
    fresh = [path.leaf_node.encryption_key, *(node.encryption_key for node in path.nodes)]
    known = {node.encryption_key for node in tree.nodes if node is not None}
    if len(set(fresh)) != len(fresh) or not known.isdisjoint(fresh):
        raise UntrustedError("a path with a key that was used before")
    for key in fresh:
        tree.suite.kem.require_public_key(key)
