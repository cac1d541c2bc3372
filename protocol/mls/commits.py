# SPDX-License-Identifier: Apache-2.0
"""Commits of a member: made, sent to the group, told to those who are added, and installed once accepted.

A commit takes effect for its own sender only when it is installed: until then the group goes on in its epoch,
because somebody else's commit may come first.

1. What is kept until then is `PendingCommit.group` for the epoch that goes on, and `next_group` for the one
   that may come. A commit that lost is dropped; nothing of it is used again.
2. `install` takes what late messages need from the group as it is at that moment, so a message that was read
   in between cannot be read a second time.
3. Every joiner gets a Welcome of its own, in the order of the Adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.interfaces import Entropy
from protocol.mls import schedule
from protocol.mls.changes import rules
from protocol.mls.changes.applying import apply_proposals, verify_size
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks, enter, find_psks
from protocol.mls.changes.making import Footing, Made, NewLeaf, Plan, make_commit
from protocol.mls.founding import LeafDraft
from protocol.mls.framing import protect_private, protect_public
from protocol.mls.group import Group, past_of
from protocol.mls.policy import Policy, SentProposal
from protocol.mls.secret_tree import RatchetKind, next_key
from protocol.mls.structures.extensions import Extension, Extensions, ExtensionType, external_pub_bytes
from protocol.mls.structures.group_info import (
    GROUP_INFO_LABEL,
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
)
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import MlsMessage, Sender, SenderType, WireFormat
from protocol.mls.structures.proposals import Add, Proposal, ProposalOrRef, ProposalRef
from protocol.mls.suites import encrypt_with_label

WELCOME_LABEL = "Welcome"


@dataclass(frozen=True, slots=True)
class CommitDraft:
    """What a member wants to change.

    Attributes:
        proposals: of its own, that stand in the commit.
        references: of proposals that were sent before in this epoch; they come first.
        path: whether the member renews its keys; where RFC 9420 demands it, it does so anyway.
        new_leaf: what the member's leaf says afterwards, if it changes; needs a path.
        authenticated_data: sent beside the commit, in clear.
        private: whether it travels as a private message.
        padding: zeros that follow the content of a private message.
        welcome_with_tree: whether a Welcome brings the tree.
    """

    proposals: Sequence[Proposal] = ()
    references: Sequence[bytes] = ()
    path: bool = True
    new_leaf: LeafDraft | None = None
    authenticated_data: bytes = b""
    private: bool = True
    padding: int = 0
    welcome_with_tree: bool = True


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A commit that is not yet accepted.

    Attributes:
        group: to go on with in the epoch of the commit; stored before the commit leaves. None for somebody
            who joins from outside.
        message: the commit, an `MLSMessage`.
        next_group: the epoch that it leads to; enters into force by `install`.
        welcomes: one for each Add, an `MLSMessage` each.
    """

    group: Group | None
    message: bytes = field(repr=False)
    next_group: Group
    welcomes: tuple[bytes, ...] = field(default=(), repr=False)


def create_commit(
    group: Group, draft: CommitDraft, policy: Policy, entropy: Entropy, *, psks: KnownPsks = NO_PSKS
) -> PendingCommit:
    """Make a commit.

    Args:
        group: in the epoch that the commit ends.
        draft: what changes.
        policy: of the application; it is asked as receivers will ask theirs.
        entropy: draws new keys.
        psks: pre-shared keys beyond those of earlier epochs of this group.

    Raises:
        LocalProtocolError: a rule of RFC 9420 or of the policy would be broken; nothing was used up.

    Spec: RFC 9420 section 12.4.1.
    """
    try:
        plan = _plan(group, draft, policy, psks)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=refused.code) from None
    footing = Footing(group.context, group.tree, group.interim_transcript_hash)
    made = make_commit(footing, plan, policy, entropy)
    signature_private = (
        group.signature_private if draft.new_leaf is None else draft.new_leaf.signature.private
    )
    next_group = enter(
        made.arrival.context,
        made.arrival.beginning,
        tree=made.tree,
        node_keys=made.node_keys,
        signature_private=signature_private,
        resumptions=group.resumptions,
    )
    group, message = _protect(group, made, draft, entropy)
    welcomes = _welcomes(next_group, made, plan, draft, entropy)
    return PendingCommit(group=group, message=message, next_group=next_group, welcomes=welcomes)


def install(group: Group, next_group: Group, now_ms: int) -> Group:
    """Return the next epoch after our own commit was accepted.

    Args:
        group: as it is now, still in the epoch that the commit ends.
        next_group: of the commit.
        now_ms: Unix time in milliseconds.

    Raises:
        LocalProtocolError: the group is not, or no longer, in the epoch of the commit.
    """
    if group.group_id != next_group.group_id or group.epoch + 1 != next_group.epoch:
        raise LocalProtocolError("a commit of another epoch cannot be installed")
    if next_group.resumptions[1:2] != group.resumptions[:1]:
        raise LocalProtocolError("a commit of another branch of the group cannot be installed")
    return replace(next_group, past=past_of(group, now_ms))


# --- making -----------------------------------------------------------------------------------------------
def _plan(group: Group, draft: CommitDraft, policy: Policy, psks: KnownPsks) -> Plan:
    kept = {proposal.reference: proposal.sent for proposal in group.proposals}
    if not kept.keys() >= set(draft.references):
        raise LocalProtocolError("a commit of a proposal that is not kept", code=ReasonCode.NOT_FOUND)
    own = Sender(SenderType.MEMBER, group.own_leaf)
    by_value = tuple(SentProposal(proposal, own, by_reference=False) for proposal in draft.proposals)
    for sent in by_value:
        rules.verify_proposal(group.tree, sent)
    proposals = tuple(kept[reference] for reference in draft.references) + by_value
    rules.verify_proposal_list(group.tree, proposals, group.own_leaf)
    verify_size(group.tree, proposals, policy.max_members)
    changed = apply_proposals(group.tree, group.context.extensions, proposals)
    items: tuple[ProposalOrRef, ...] = (*map(ProposalRef, draft.references), *draft.proposals)
    return Plan(
        sender=own,
        leaf=group.own_leaf,
        leaf_before=group.own_leaf_node,
        signature_private=group.signature_private,
        proposals=proposals,
        items=items,
        changed=changed,
        new_leaf=_new_leaf(group, draft, needed=rules.needs_path(proposals)),
        node_keys=group.node_keys.kept_in(changed.tree),
        init_secret=group.secrets.init_secret,
        psks=find_psks(changed.psk_ids, psks, group),
        authenticated_data=draft.authenticated_data,
        wire_format=WireFormat.PRIVATE_MESSAGE if draft.private else WireFormat.PUBLIC_MESSAGE,
    )


def _new_leaf(group: Group, draft: CommitDraft, *, needed: bool) -> NewLeaf | None:
    before = group.own_leaf_node
    wanted = draft.new_leaf
    if wanted is None:
        same = NewLeaf(before, group.signature_private, says_the_same=True)
        return same if draft.path or needed else None
    if not (draft.path or needed):
        raise LocalProtocolError("a new leaf without a path", code=ReasonCode.BAD_FIELD)
    content = replace(
        before,
        signature_key=wanted.signature.public,
        credential=wanted.credential,
        capabilities=wanted.capabilities,
        extensions=wanted.extensions,
    )
    return NewLeaf(content, wanted.signature.private)


def _protect(group: Group, made: Made, draft: CommitDraft, entropy: Entropy) -> tuple[Group, bytes]:
    """Protect a commit by the keys of its epoch; return the group without the key that was used."""
    suite, secrets = group.suite, group.secrets
    if not draft.private:
        public = protect_public(
            suite, made.authenticated, context=group.context, membership_key=secrets.membership_key
        )
        return group, MlsMessage(public).to_bytes()
    tree, generation, key = next_key(suite, group.secret_tree, group.own_leaf, RatchetKind.HANDSHAKE)
    private = protect_private(
        suite,
        made.authenticated,
        key=key,
        generation=generation,
        sender_data_secret=secrets.sender_data_secret,
        padding=draft.padding,
        entropy=entropy,
    )
    return replace(group, secret_tree=tree), MlsMessage(private).to_bytes()


# --- inviting ---------------------------------------------------------------------------------------------
def group_info(
    group: Group, *, with_tree: bool = True, with_external_pub: bool = False, extensions: Extensions = ()
) -> GroupInfo:
    """Make and sign what somebody needs to know to join.

    Args:
        group: in the epoch to join.
        with_tree: whether the tree is in it.
        with_external_pub: whether somebody can join by it from outside.
        extensions: more, ignored by those who do not know them.

    Spec: RFC 9420 section 12.4.3.
    """
    suite = group.suite
    said = list(extensions)
    if with_tree:
        said.append(Extension(ExtensionType.RATCHET_TREE, group.tree.to_bytes()))
    if with_external_pub:
        public = suite.derive_key_pair(group.secrets.external_secret).public
        said.append(Extension(ExtensionType.EXTERNAL_PUB, external_pub_bytes(public)))
    unsigned = GroupInfo(
        group_context=group.context,
        extensions=tuple(said),
        confirmation_tag=group.confirmation_tag,
        signer=group.own_leaf,
    )
    signature = suite.sign_with_label(group.signature_private, GROUP_INFO_LABEL, unsigned.tbs())
    return replace(unsigned, signature=signature)


def _welcomes(
    group: Group, made: Made, plan: Plan, draft: CommitDraft, entropy: Entropy
) -> tuple[bytes, ...]:
    """Make a Welcome for each Add."""
    if not plan.changed.added:
        return ()
    suite = group.suite
    joiner = made.arrival.joiner_secret
    welcome = schedule.welcome_secret(suite, joiner, schedule.psk_secret(suite, plan.psks))
    key, nonce = schedule.welcome_key(suite, welcome)
    info = group_info(group, with_tree=draft.welcome_with_tree).to_bytes()
    encrypted_info = suite.aead_seal(key, nonce, b"", info)
    packages = [sent.proposal.key_package for sent in plan.proposals if isinstance(sent.proposal, Add)]
    made_welcomes = []
    for leaf, package in zip(plan.changed.added, packages, strict=True):
        secrets = GroupSecrets(
            joiner_secret=joiner,
            path_secret=None if made.path is None else made.path.secret_for(leaf),
            psks=plan.changed.psk_ids,
        )
        made_welcomes.append(_welcome(group, package, secrets, encrypted_info, entropy))
    return tuple(made_welcomes)


def _welcome(
    group: Group, package: KeyPackage, secrets: GroupSecrets, encrypted_info: bytes, entropy: Entropy
) -> bytes:
    """Encrypt the secrets to one joiner."""
    suite = group.suite
    encrypted = encrypt_with_label(
        suite,
        package.init_key,
        label=WELCOME_LABEL,
        context=encrypted_info,
        plaintext=secrets.to_bytes(),
        entropy=entropy,
    )
    entry = EncryptedGroupSecrets(package.reference(suite), encrypted)
    return MlsMessage(Welcome(suite.number, (entry,), encrypted_info)).to_bytes()
