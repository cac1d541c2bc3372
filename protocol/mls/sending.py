# SPDX-License-Identifier: Apache-2.0
"""What a member sends beside commits: application data, and proposals for others to commit.

1. Each message takes a key that is gone afterwards: the group that is returned is stored before the message
   leaves, or the key would be used a second time.
2. Application data is always encrypted. While proposals wait, none is sent: whoever is to be removed must not
   read what comes after (RFC 9420 section 12.4).
"""

from dataclasses import dataclass, replace

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.interfaces import Entropy
from protocol.mls.changes import rules
from protocol.mls.founding import LeafDraft
from protocol.mls.framing import protect_private, protect_public, sign_content
from protocol.mls.group import Group, KeptProposal, OwnUpdate
from protocol.mls.policy import SentProposal
from protocol.mls.secret_tree import RatchetKind, next_key
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    Content,
    ContentType,
    FramedContent,
    MlsMessage,
    Sender,
    SenderType,
    WireFormat,
)
from protocol.mls.structures.nodes import LeafNodeSource
from protocol.mls.structures.proposals import (
    ExternalPskId,
    PreSharedKey,
    Proposal,
    ResumptionPskId,
    ResumptionUsage,
    Update,
)
from protocol.mls.suites import Suite
from protocol.mls.tree.leaves import sign_leaf


def protect(
    group: Group, data: bytes, *, authenticated_data: bytes, padding: int, entropy: Entropy
) -> tuple[Group, bytes]:
    """Encrypt application data for the members of this epoch.

    Args:
        group: in the epoch.
        data: what the application says.
        authenticated_data: sent in clear and bound to it.
        padding: zeros that follow it.
        entropy: draws the reuse guard.

    Returns:
        The group without the key, the `MLSMessage`.

    Raises:
        LocalProtocolError: proposals wait for a commit (`busy`).

    Spec: RFC 9420 sections 6.3 and 15.
    """
    if group.proposals:
        raise LocalProtocolError("proposals wait for a commit", code=ReasonCode.BUSY)
    content = _frame(group, data, authenticated_data)
    authenticated = _sign(group, content, WireFormat.PRIVATE_MESSAGE)
    return _encrypt(group, authenticated, padding, entropy)


@dataclass(frozen=True, slots=True)
class ProposalDraft:
    """A proposal in a message of its own.

    Attributes:
        proposal: what is proposed.
        authenticated_data: sent beside it, in clear.
        private: whether it travels as a private message.
        padding: zeros that follow a private message.
    """

    proposal: Proposal
    authenticated_data: bytes = b""
    private: bool = True
    padding: int = 0


def propose(group: Group, draft: ProposalDraft, entropy: Entropy) -> tuple[Group, bytes]:
    """Send a proposal that a commit of this epoch may refer to.

    Returns:
        The group, which keeps the proposal, and the `MLSMessage`.

    Raises:
        LocalProtocolError: others would refuse it.

    Spec: RFC 9420 section 12.1.
    """
    sent = SentProposal(draft.proposal, Sender(SenderType.MEMBER, group.own_leaf), by_reference=True)
    try:
        rules.verify_proposal(group.tree, sent)
        rules.verify_proposed_leaf(group.tree, group.group_id, sent)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=refused.code) from None
    content = _frame(group, draft.proposal, draft.authenticated_data)
    wire_format = WireFormat.PRIVATE_MESSAGE if draft.private else WireFormat.PUBLIC_MESSAGE
    authenticated = _sign(group, content, wire_format)
    kept = KeptProposal(authenticated.reference(group.suite), sent)
    group = replace(group, proposals=(*group.proposals, kept))
    if draft.private:
        return _encrypt(group, authenticated, draft.padding, entropy)
    key = group.secrets.membership_key
    public = protect_public(group.suite, authenticated, context=group.context, membership_key=key)
    return group, MlsMessage(public).to_bytes()


def draft_update(group: Group, wanted: LeafDraft | None, entropy: Entropy) -> tuple[Group, Update]:
    """Make a new leaf for ourselves, to be proposed.

    Args:
        group: in which we are.
        wanted: what the leaf says, or None for the same as now.
        entropy: draws the leaf key.

    Returns:
        The group, which keeps the private side until the epoch ends, and the proposal.

    Spec: RFC 9420 section 12.1.2.
    """
    suite, before = group.suite, group.own_leaf_node
    pair = suite.derive_key_pair(entropy.random_bytes(suite.hash_bytes))
    signature_private = group.signature_private if wanted is None else wanted.signature.private
    content = replace(
        before,
        encryption_key=pair.public,
        signature_key=before.signature_key if wanted is None else wanted.signature.public,
        credential=before.credential if wanted is None else wanted.credential,
        capabilities=before.capabilities if wanted is None else wanted.capabilities,
        extensions=before.extensions if wanted is None else wanted.extensions,
        source=LeafNodeSource.UPDATE,
        lifetime=None,
        parent_hash=None,
    )
    signed = sign_leaf(
        content,
        suite=suite,
        signature_key=signature_private,
        group_id=group.group_id,
        leaf_index=group.own_leaf,
    )
    own = OwnUpdate(pair.public, pair.private, signature_private)
    return replace(group, own_updates=(*group.own_updates, own)), Update(signed)


def resumption_psk(group_id: bytes, epoch: int, *, suite: Suite, entropy: Entropy) -> PreSharedKey:
    """Return the proposal to bring in the resumption key of an epoch.

    Spec: RFC 9420 sections 8.4 and 8.6.
    """
    nonce = entropy.random_bytes(suite.hash_bytes)
    return PreSharedKey(ResumptionPskId(ResumptionUsage.APPLICATION, group_id, epoch, nonce))


def external_psk(psk_id: bytes, *, suite: Suite, entropy: Entropy) -> PreSharedKey:
    """Return the proposal to bring in a key that the application has.

    Spec: RFC 9420 section 8.4.
    """
    return PreSharedKey(ExternalPskId(psk_id, entropy.random_bytes(suite.hash_bytes)))


# --- framing ----------------------------------------------------------------------------------------------
def _frame(group: Group, content: Content, authenticated_data: bytes) -> FramedContent:
    return FramedContent(
        group_id=group.group_id,
        epoch=group.epoch,
        sender=Sender(SenderType.MEMBER, group.own_leaf),
        authenticated_data=authenticated_data,
        content=content,
    )


def _sign(group: Group, content: FramedContent, wire_format: WireFormat) -> AuthenticatedContent:
    signature = sign_content(
        group.suite,
        content,
        wire_format=wire_format,
        context=group.context,
        private_key=group.signature_private,
    )
    return AuthenticatedContent(wire_format, content, AuthData(signature))


def _encrypt(
    group: Group, authenticated: AuthenticatedContent, padding: int, entropy: Entropy
) -> tuple[Group, bytes]:
    is_application = authenticated.content.content_type is ContentType.APPLICATION
    kind = RatchetKind.APPLICATION if is_application else RatchetKind.HANDSHAKE
    tree, generation, key = next_key(group.suite, group.secret_tree, group.own_leaf, kind)
    message = protect_private(
        group.suite,
        authenticated,
        key=key,
        generation=generation,
        sender_data_secret=group.secrets.sender_data_secret,
        padding=padding,
        entropy=entropy,
    )
    return replace(group, secret_tree=tree), MlsMessage(message).to_bytes()
