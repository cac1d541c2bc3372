# SPDX-License-Identifier: Apache-2.0
"""Members who break the rules: messages that are signed and encrypted well, and say what they must not.

Everything here goes around the checks of the product and uses its primitives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from typing import Any

from protocol.errors import LocalProtocolError
from protocol.mls.changes.applying import Changed, apply_proposals
from protocol.mls.changes.epochs import NO_PSKS, Inputs, KnownPsks, arrive, find_psks, provisional_context
from protocol.mls.framing import content_tbs, membership_tag, protect_private
from protocol.mls.group import Group
from protocol.mls.policy import SentProposal
from protocol.mls.schedule import psk_secret
from protocol.mls.secret_tree import MessageKey, RatchetKind, next_key
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    Content,
    ContentType,
    FramedContent,
    MlsMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
)
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import Commit, ProposalOrRef, ProposalRef, UpdatePath
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.path import draw_path, encrypt_path
from protocol.mls.tree.ratchet_tree import RatchetTree
from tests.support.entropy import SeededEntropy

SUITE = PRODUCT_SUITE


def same(value: Any) -> Any:
    """Change nothing."""
    return value


def fingerprint(value: Any) -> str:
    """Return a hash over a value and all that is in it, secrets included, caches left out."""
    return sha256(_spelled(value).encode()).hexdigest()


def _spelled(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        compared = [part.name for part in fields(value) if part.compare]
        inner = [f"{name}={_spelled(getattr(value, name))}" for name in compared]
        return f"{type(value).__name__}({','.join(inner)})"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_spelled(key)}:{_spelled(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_spelled, value))}]"
    return repr(value)


# --- messages ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Forgery:
    """How a message lies.

    Attributes:
        sender: who is said to have sent it; the forger himself without it.
        signature_private: signs it; the forger's own key without it.
        epoch: in which it is said to be sent.
        private: how it travels.
        signature: changes the signature.
        tag: changes the confirmation tag.
        membership: changes the membership tag.
        key_of: leaf whose message keys are used; the forger's own without it.
        padding: what follows the content in a private message.
    """

    sender: Sender | None = None
    signature_private: bytes | None = None
    epoch: int | None = None
    private: bool = True
    signature: Callable[[bytes], bytes] = same
    tag: Callable[[bytes], bytes] = same
    membership: Callable[[bytes], bytes] = same
    key_of: int | None = None


HONEST = Forgery()


def forge(group: Group, content: Content, lie: Forgery = HONEST, authenticated_data: bytes = b"") -> bytes:
    """Return a message with any content but a commit."""
    framed = _framed(group, content, lie, authenticated_data)
    return _protected(group, framed, _sign(group, framed, lie), None, lie)


def _framed(group: Group, content: Content, lie: Forgery, authenticated_data: bytes = b"") -> FramedContent:
    return FramedContent(
        group_id=group.group_id,
        epoch=group.epoch if lie.epoch is None else lie.epoch,
        sender=lie.sender or Sender(SenderType.MEMBER, group.own_leaf),
        authenticated_data=authenticated_data,
        content=content,
    )


def _wire_format(lie: Forgery) -> WireFormat:
    return WireFormat.PRIVATE_MESSAGE if lie.private else WireFormat.PUBLIC_MESSAGE


def _sign(group: Group, framed: FramedContent, lie: Forgery) -> bytes:
    tbs = content_tbs(_wire_format(lie), framed, group.context)
    private = group.signature_private if lie.signature_private is None else lie.signature_private
    return lie.signature(group.suite.sign_with_label(private, "FramedContentTBS", tbs))


def _protected(
    group: Group, framed: FramedContent, signature: bytes, tag: bytes | None, lie: Forgery
) -> bytes:
    suite = group.suite
    auth = AuthData(signature, tag)
    authenticated = AuthenticatedContent(_wire_format(lie), framed, auth)
    if not lie.private:
        mac: bytes | None = None
        if framed.sender.sender_type is SenderType.MEMBER:
            key = group.secrets.membership_key
            mac = lie.membership(
                membership_tag(suite, authenticated, context=group.context, membership_key=key)
            )
        return MlsMessage(PublicMessage(framed, auth, mac)).to_bytes()
    generation, key_ = message_key(group, framed, lie)
    message = protect_private(
        suite,
        authenticated,
        key=key_,
        generation=generation,
        sender_data_secret=group.secrets.sender_data_secret,
        padding=0,
        entropy=SeededEntropy("guard"),
    )
    return MlsMessage(message).to_bytes()


def message_key(group: Group, framed: FramedContent, lie: Forgery) -> tuple[int, MessageKey]:
    """Return a message key of any leaf: every member can make those of all others."""
    application = framed.content_type is ContentType.APPLICATION
    kind = RatchetKind.APPLICATION if application else RatchetKind.HANDSHAKE
    leaf = framed.sender.index if lie.key_of is None else lie.key_of
    _, generation, key = next_key(group.suite, group.secret_tree, leaf, kind)
    return generation, key


# --- commits ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ForgedCommit:
    """How a commit lies.

    Attributes:
        message: how the message around it lies.
        has_path: whether it has a path.
        leaf: changes the leaf of the path before it is signed.
        tree: changes the tree that the path starts from.
        secrets: changes the path secrets before they are encrypted.
        path: changes the finished path.
        psks: pre-shared keys that the committer has.
        init_secret: for the key schedule; that of the epoch without it.
        place: leaf of the committer; his own without it.
    """

    message: Forgery = HONEST
    has_path: bool = True
    leaf: Callable[[LeafNode], LeafNode] = same
    secrets: Callable[[tuple[bytes, ...]], tuple[bytes, ...]] = same
    path: Callable[[UpdatePath], UpdatePath] = same
    psks: KnownPsks = NO_PSKS
    init_secret: bytes | None = None
    tree: Callable[[RatchetTree], RatchetTree] = same
    place: int | None = None


def forge_commit(group: Group, items: Sequence[ProposalOrRef], lie: ForgedCommit | None = None) -> bytes:
    """Return a commit of any proposals, applied as far as they can be, and confirmed as if they were good."""
    lie = lie or ForgedCommit()
    suite, about = group.suite, lie.message
    sender = about.sender or Sender(SenderType.MEMBER, group.own_leaf)
    sent = [_sent(group, item, sender) for item in items]
    changed = _applied(group, sent)
    tree = lie.tree(changed.tree)
    place = group.own_leaf if lie.place is None else lie.place
    draft = draw_path(
        tree,
        lie.leaf(group.own_leaf_node),
        leaf=place,
        group_id=group.group_id,
        signature_key=about.signature_private or group.signature_private,
        entropy=SeededEntropy(f"forged {len(items)}"),
    )
    tree = draft.tree if lie.has_path else tree
    provisional = provisional_context(group.context, tree, changed.extensions)
    path: UpdatePath | None = None
    if lie.has_path:
        path = lie.path(
            encrypt_path(
                replace(draft, secrets=lie.secrets(draft.secrets)),
                context=provisional.to_bytes(),
                new_leaves=changed.added,
                entropy=SeededEntropy("path"),
            )
        )
    framed = _framed(group, Commit(tuple(items), path), about)
    signature = _sign(group, framed, about)
    inputs = Inputs(
        init_secret=lie.init_secret or group.secrets.init_secret,
        commit_secret=draft.commit_secret if lie.has_path else bytes(suite.hash_bytes),
        psk_secret=psk_secret(suite, find_psks(changed.psk_ids, lie.psks, group)),
    )
    arrival = arrive(
        suite,
        group.interim_transcript_hash,
        provisional=provisional,
        inputs=inputs,
        wire_format=_wire_format(about),
        content=framed,
        signature=signature,
    )
    return _protected(group, framed, signature, about.tag(arrival.confirmation_tag), about)


def _applied(group: Group, sent: list[SentProposal]) -> Changed:
    """Apply proposals; what cannot be applied is only said."""
    try:
        return apply_proposals(group.tree, group.context.extensions, sent)
    except LocalProtocolError:
        return Changed(group.tree, group.context.extensions, (), (), None)


def _sent(group: Group, item: ProposalOrRef, sender: Sender) -> SentProposal:
    if isinstance(item, ProposalRef):
        return next(kept.sent for kept in group.proposals if kept.reference == item.reference)
    return SentProposal(item, sender, by_reference=False)


# --- pieces -----------------------------------------------------------------------------------------------
def flipped(octets: bytes) -> bytes:
    """Change the last bit."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def resigned(leaf: LeafNode, group: Group, *, leaf_index: int | None = None) -> LeafNode:
    """Sign a changed leaf with the key of a group's own member."""
    unsigned = replace(leaf, signature=b"")
    at = group.own_leaf if leaf_index is None else leaf_index
    tbs = unsigned.tbs(group.group_id, at)
    return replace(leaf, signature=group.suite.sign_with_label(group.signature_private, "LeafNodeTBS", tbs))
