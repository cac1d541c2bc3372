# SPDX-License-Identifier: Apache-2.0
"""Ratchet trees with everybody's private keys: members come, go, and draw new paths, as commits would do it.

After each change every member holds what it derived itself, so a disagreement shows at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.nodes import Capabilities, LeafNode, LeafNodeSource, Lifetime
from protocol.mls.structures.proposals import UpdatePath
from protocol.mls.suites import Suite
from protocol.mls.tree import arithmetic
from protocol.mls.tree.leaves import sign_leaf
from protocol.mls.tree.path import (
    NodeKeys,
    OpenedPath,
    PathDraft,
    draw_path,
    encrypt_path,
    keys_of_joiner,
    merge_path,
    open_path,
)
from protocol.mls.tree.ratchet_tree import RatchetTree, found_tree
from tests.support.entropy import SeededEntropy
from tests.support.mls_suites import SUITE_1

GROUP_ID = b"grove"


@dataclass(frozen=True)
class Seed:
    """A leaf that is not in a tree yet, with its private keys."""

    content: LeafNode
    encryption_key: bytes
    signature_key: bytes


@dataclass
class Seat:
    """What one member holds."""

    node_keys: NodeKeys
    signature_key: bytes


@dataclass(frozen=True)
class Change:
    """A commit with a path, as its sender and everybody else see it.

    Attributes:
        sender: number of its leaf.
        added: who comes, by leaf.
        updated: who replaced its own leaf, by leaf.
        removed: leaves of those who go.
        before: the tree with the proposals applied.
        draft: what the sender drew.
        path: what it sent.
        context: to which the path is bound.
    """

    sender: int
    added: dict[int, Seed]
    updated: Mapping[int, Seed]
    removed: Collection[int]
    before: RatchetTree
    draft: PathDraft
    path: UpdatePath
    context: bytes


@dataclass
class Grove:
    """One tree and all its members; the first is at leaf 0."""

    suite: Suite = SUITE_1
    entropy: SeededEntropy = field(default_factory=lambda: SeededEntropy("grove"))
    seats: dict[int, Seat] = field(default_factory=dict)
    epoch: int = 0
    grown: int = 0

    def __post_init__(self) -> None:
        seed = self.seed()
        self.tree = found_tree(self.suite, seed.content)
        self.seats[0] = Seat(NodeKeys(0, {0: seed.encryption_key}), seed.signature_key)

    # --- leaves -----------------------------------------------------------------------------------------
    def seed(self, leaf: int = 0, **changes: Any) -> Seed:
        """A new leaf, good in every part that is not changed, and signed with the changes."""
        self.grown += 1
        encryption = self.suite.derive_key_pair(self.entropy.random_bytes(self.suite.hash_bytes))
        signature = self.suite.signature.key_pair(self.entropy.random_bytes(self.suite.signature.seed_bytes))
        content = LeafNode(
            encryption_key=encryption.public,
            signature_key=signature.public,
            credential=BasicCredential(b"member %d" % self.grown),
            capabilities=Capabilities(cipher_suites=(self.suite.number,), credentials=(1,)),
            source=LeafNodeSource.KEY_PACKAGE,
            lifetime=Lifetime(0, 1 << 40),
        )
        signed = self.signed(replace(content, **changes), signature.private, leaf)
        return Seed(signed, encryption.private, signature.private)

    def update_seed(self, leaf: int) -> Seed:
        """A leaf with which a member replaces its own."""
        return self.seed(leaf, source=LeafNodeSource.UPDATE, lifetime=None)

    def signed(self, content: LeafNode, signature_key: bytes, leaf: int = 0) -> LeafNode:
        """The leaf with a good signature."""
        return sign_leaf(
            content, suite=self.suite, signature_key=signature_key, group_id=GROUP_ID, leaf_index=leaf
        )

    def content(self, leaf: int) -> LeafNode:
        """What stands at a leaf."""
        found = self.tree.leaf(leaf)
        assert found is not None
        return found

    def resigned(self, leaf: int, **changes: Any) -> RatchetTree:
        """The tree with another content of one leaf, signed by its member; nothing else changes."""
        changed = self.signed(replace(self.content(leaf), **changes), self.seats[leaf].signature_key, leaf)
        return self.tree.with_nodes({arithmetic.node_of(leaf): changed})

    # --- changes without a path ----------------------------------------------------------------------------
    def add(self, seed: Seed | None = None) -> int:
        """Somebody comes, by a commit without a path; returns the leaf."""
        seed = seed or self.seed()
        self.tree, leaf = self.tree.add_leaf(seed.content)
        self._seat(leaf, seed, sender=0, path_secret=None)
        return leaf

    def _seat(self, leaf: int, seed: Seed, *, sender: int, path_secret: bytes | None) -> None:
        found = keys_of_joiner(
            self.tree, leaf=leaf, leaf_key=seed.encryption_key, sender=sender, path_secret=path_secret
        )
        self.seats[leaf] = Seat(found, seed.signature_key)

    # --- changes with a path -------------------------------------------------------------------------------
    def draw(
        self,
        sender: int,
        *,
        add: Iterable[Seed] = (),
        remove: Collection[int] = (),
        update: Mapping[int, Seed] | None = None,
    ) -> Change:
        """Make a commit; `take` is what changes anything."""
        tree, updated, added = self.tree, update or {}, dict[int, Seed]()
        for leaf, seed in updated.items():
            tree = tree.update_leaf(leaf, seed.content)
        for leaf in remove:
            tree = tree.remove_leaf(leaf)
        for seed in add:
            tree, leaf = tree.add_leaf(seed.content)
            added[leaf] = seed
        draft = draw_path(
            tree,
            self.content(sender),
            leaf=sender,
            group_id=GROUP_ID,
            signature_key=self.seats[sender].signature_key,
            entropy=self.entropy,
        )
        context = self.context(draft.tree)
        path = encrypt_path(draft, context=context, new_leaves=added, entropy=self.entropy)
        return Change(sender, added, updated, remove, tree, draft, path, context)

    def context(self, tree: RatchetTree) -> bytes:
        """The provisional context of the next epoch, encoded."""
        return GroupContext(
            cipher_suite=self.suite.number,
            group_id=GROUP_ID,
            epoch=self.epoch + 1,
            tree_hash=tree.tree_hash(),
            confirmed_transcript_hash=b"",
        ).to_bytes()

    def take(self, change: Change) -> None:
        """Everybody takes a commit; each must find the same commit secret."""
        merged = merge_path(change.before, change.path, leaf=change.sender)
        assert merged == change.draft.tree
        for leaf in change.removed:
            del self.seats[leaf]
        for leaf, seed in change.updated.items():
            kept = self.seats[leaf].node_keys.with_leaf_key(seed.encryption_key)
            self.seats[leaf] = Seat(kept, seed.signature_key)
        for leaf, seat in self.seats.items():
            if leaf != change.sender:
                found = self.opened(change, leaf)
                assert found.commit_secret == change.draft.commit_secret
                seat.node_keys = found.node_keys
        self.seats[change.sender].node_keys = change.draft.node_keys
        self.tree, self.epoch = merged, self.epoch + 1
        for leaf, seed in change.added.items():
            self._seat(leaf, seed, sender=change.sender, path_secret=change.draft.secret_for(leaf))

    def opened(self, change: Change, leaf: int) -> OpenedPath:
        """What one member finds in a commit."""
        return open_path(
            change.draft.tree,
            change.path,
            leaf=change.sender,
            node_keys=self.seats[leaf].node_keys.kept_in(change.before),
            context=change.context,
            new_leaves=change.added,
        )

    def commit(self, sender: int, *, add: int = 0, remove: Collection[int] = ()) -> None:
        """One commit with a path: somebody comes, somebody goes."""
        self.take(self.draw(sender, add=[self.seed() for _ in range(add)], remove=remove))


def grown(members: int, suite: Suite = SUITE_1) -> Grove:
    """A grove in which each member has committed with a path that adds the next one."""
    grove = Grove(suite)
    for sender in range(members - 1):
        grove.commit(sender, add=1)
    return grove
