# SPDX-License-Identifier: Apache-2.0
"""How somebody comes into a group: by a Welcome of a member, or from outside by an external commit.

1. Nothing of what came is believed until the whole tree, the signature of the group information and the
   confirmation hold; then the policy is asked.
2. The tree must have the hash that the group information says, wherever it came from.
3. A pre-shared key that a Welcome names and we do not have is an error.
4. The caller refuses a group that it is in already, and deletes the key package with the group stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.interfaces import Entropy
from protocol.mls import schedule
from protocol.mls.changes import rules
from protocol.mls.changes.applying import apply_proposals, verify_size
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks, enter, find_psks
from protocol.mls.changes.making import Footing, NewLeaf, Plan, make_commit
from protocol.mls.commits import WELCOME_LABEL, PendingCommit
from protocol.mls.founding import KeyPackageSecrets, LeafDraft
from protocol.mls.framing import protect_public
from protocol.mls.group import Group
from protocol.mls.policy import JoinView, Policy, SentProposal
from protocol.mls.structures.extensions import ExtensionType, find_extension, parse_external_pub
from protocol.mls.structures.group_info import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    parse_group_info,
    parse_group_secrets,
    verify_group_info_signature,
)
from protocol.mls.structures.messages import (
    MlsMessage,
    Sender,
    SenderType,
    WireFormat,
    parse_mls_message,
)
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource
from protocol.mls.structures.proposals import (
    ExternalInit,
    PreSharedKey,
    Proposal,
    PskId,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
)
from protocol.mls.suites import Suite, decrypt_with_label, export_encapsulate
from protocol.mls.tree.checks import verify_tree
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.path import keys_of_joiner
from protocol.mls.tree.ratchet_tree import RatchetTree, parse_tree


# --- by a Welcome -----------------------------------------------------------------------------------------
def join(
    suite: Suite,
    welcome: bytes,
    secrets: KeyPackageSecrets,
    policy: Policy,
    *,
    ratchet_tree: bytes | None = None,
    psks: KnownPsks = NO_PSKS,
) -> Group:
    """Come into a group to which a member added us.

    Args:
        suite: of the key package.
        welcome: an `MLSMessage`.
        secrets: the key package that was used, with its private side.
        policy: of the application.
        ratchet_tree: the tree, if the Welcome does not bring it.
        psks: pre-shared keys that we have.

    Raises:
        RemoteProtocolError: it is not for this key package (`not_found`), or is refused.

    Spec: RFC 9420 section 12.4.3.1.
    """
    body = parse_mls_message(welcome).body
    if not isinstance(body, Welcome):
        raise MalformedError("not a Welcome", code=ReasonCode.BAD_CONTENT)
    if body.cipher_suite != suite.number or secrets.package.cipher_suite != suite.number:
        raise UnsupportedVersionError("a Welcome of another suite")
    told = _open_secrets(suite, body, secrets)
    _verify_psk_names(suite, told.psks)
    psk = schedule.psk_secret(suite, find_psks(told.psks, psks, None))
    info = _open_info(suite, body, schedule.welcome_secret(suite, told.joiner_secret, psk))
    tree = _verified_tree(suite, info, ratchet_tree)
    leaf = _own_place(tree, secrets.package.leaf_node)
    node_keys = keys_of_joiner(
        tree,
        leaf=leaf,
        leaf_key=secrets.encryption_private,
        sender=info.signer,
        path_secret=told.path_secret,
    )
    context = info.group_context
    beginning = schedule.begin_epoch(suite, told.joiner_secret, psk, context.to_bytes())
    schedule.verify_confirmation(
        suite, beginning.confirmation_key, context.confirmed_transcript_hash, info.confirmation_tag
    )
    _ask(policy, info, tree, external=False, more=0)
    return enter(
        context, beginning, tree=tree, node_keys=node_keys, signature_private=secrets.signature_private
    )


def is_for(suite: Suite, welcome: Welcome, reference: bytes) -> EncryptedGroupSecrets | None:
    """Return what a Welcome has for a key package, by the reference to it; None if it is for others.

    Spec: RFC 9420 section 12.4.3.1.
    """
    return next((entry for entry in welcome.secrets if entry.new_member == reference), None)


def _open_secrets(suite: Suite, welcome: Welcome, secrets: KeyPackageSecrets) -> GroupSecrets:
    entry = is_for(suite, welcome, secrets.package.reference(suite))
    if entry is None:
        raise RemoteProtocolError("a Welcome for somebody else", code=ReasonCode.NOT_FOUND)
    opened = decrypt_with_label(
        suite,
        secrets.init_private,
        label=WELCOME_LABEL,
        context=welcome.encrypted_group_info,
        encrypted=entry.encrypted,
    )
    return parse_group_secrets(opened)


def _verify_psk_names(suite: Suite, names: Sequence[PskId]) -> None:
    """Check the pre-shared keys that a Welcome names; groups that continue others are not supported.

    Spec: RFC 9420 section 12.4.3.1.
    """
    if len(set(names)) != len(names):
        raise MalformedError("a Welcome with a pre-shared key twice", code=ReasonCode.BAD_CONTENT)
    for name in names:
        if isinstance(name, ResumptionPskId) and name.usage is not ResumptionUsage.APPLICATION:
            raise UnsupportedVersionError("a group that continues another is not supported")
        rules.verify_psk(suite, name)


def _open_info(suite: Suite, welcome: Welcome, welcome_secret: bytes) -> GroupInfo:
    key, nonce = schedule.welcome_key(suite, welcome_secret)
    return parse_group_info(suite.aead_open(key, nonce, b"", welcome.encrypted_group_info))


def _own_place(tree: RatchetTree, own: LeafNode) -> int:
    """Find the leaf that is ours, octet for octet."""
    for index, leaf in tree.members():
        if leaf.to_bytes() == own.to_bytes():
            return index
    raise UntrustedError("a group that we are not in")


# --- both -------------------------------------------------------------------------------------------------
def _verified_tree(suite: Suite, info: GroupInfo, ratchet_tree: bytes | None) -> RatchetTree:
    """Return the tree of a group, with everything that RFC 9420 asks of it and of the group information.

    Spec: RFC 9420 sections 12.4.3 and 12.4.3.1.
    """
    context = info.group_context
    if context.cipher_suite != suite.number:
        raise UnsupportedVersionError("a group of another suite")
    data = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
    found = data if data is not None else ratchet_tree
    if found is None:
        raise RemoteProtocolError("a group without its tree", code=ReasonCode.NOT_FOUND)
    tree = parse_tree(suite, found)
    if tree.tree_hash() != context.tree_hash:
        raise UntrustedError("a tree of another group or epoch")
    signer = tree.leaf(info.signer)
    if signer is None:
        raise UntrustedError("group information that nobody signed")
    suite.signature.require_public_key(signer.signature_key)
    verify_group_info_signature(suite, info, signer.signature_key)
    verify_tree(tree)
    verify_leaves(tree, group_id=context.group_id, extensions=context.extensions)
    return tree


def _ask(policy: Policy, info: GroupInfo, tree: RatchetTree, *, external: bool, more: int) -> None:
    """Ask the policy for all members and for the group, which gets `more` members by our joining."""
    context = info.group_context
    members = [leaf for _, leaf in tree.members()]
    if len(members) + more > policy.max_members:
        raise RemoteProtocolError("a group with too many members", code=ReasonCode.QUOTA_EXCEEDED)
    for leaf in members:
        policy.verify_leaf(leaf, context.group_id)
    policy.verify_group(
        JoinView(
            group_id=context.group_id,
            epoch=context.epoch,
            tree=tree,
            extensions=context.extensions,
            signer=info.signer,
            external=external,
        )
    )


# --- from outside -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ExternalDraft:
    """How somebody wants to join from outside.

    Attributes:
        leaf: what the new leaf says.
        removed: leaf number of an earlier self, or None.
        psks: names of pre-shared keys that go in.
        authenticated_data: sent beside the commit, in clear.
    """

    leaf: LeafDraft
    removed: int | None = None
    psks: tuple[PskId, ...] = ()
    authenticated_data: bytes = b""


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A group that can be joined from outside, verified.

    Attributes:
        info: what came.
        tree: its members.
        external_pub: public key of the epoch.
    """

    info: GroupInfo
    tree: RatchetTree
    external_pub: bytes = field(repr=False)


def open_group_info(suite: Suite, group_info: bytes, *, ratchet_tree: bytes | None = None) -> OpenGroup:
    """Read and verify what somebody needs to join from outside.

    Args:
        suite: of the group.
        group_info: an `MLSMessage`.
        ratchet_tree: the tree, if it is not in there.

    Raises:
        RemoteProtocolError: it is refused.

    Spec: RFC 9420 sections 12.4.3 and 12.4.3.2.
    """
    info = parse_mls_message(group_info).body
    if not isinstance(info, GroupInfo):
        raise MalformedError("not group information", code=ReasonCode.BAD_CONTENT)
    tree = _verified_tree(suite, info, ratchet_tree)
    data = find_extension(info.extensions, ExtensionType.EXTERNAL_PUB)
    if data is None:
        raise RemoteProtocolError("a group that cannot be joined from outside", code=ReasonCode.NO_KEY)
    external_pub = parse_external_pub(data)
    suite.kem.require_public_key(external_pub)
    return OpenGroup(info, tree, external_pub)


def join_externally(
    suite: Suite,
    group_info: bytes,
    draft: ExternalDraft,
    policy: Policy,
    *,
    entropy: Entropy,
    ratchet_tree: bytes | None = None,
    psks: KnownPsks = NO_PSKS,
) -> PendingCommit:
    """Come into a group by a commit of our own.

    The group that is returned is real only if the commit is accepted.

    Args:
        suite: of the group.
        group_info: an `MLSMessage` of a member.
        draft: who we are, and whom we replace.
        policy: of the application.
        entropy: draws new keys.
        ratchet_tree: the tree, if the group information does not bring it.
        psks: pre-shared keys that we have.

    Raises:
        RemoteProtocolError: the group information is refused.
        LocalProtocolError: the group would refuse the commit.

    Spec: RFC 9420 section 12.4.3.2.
    """
    found = open_group_info(suite, group_info, ratchet_tree=ratchet_tree)
    _ask(policy, found.info, found.tree, external=True, more=1 if draft.removed is None else 0)
    context = found.info.group_context
    kem_output, init_secret = export_encapsulate(suite, found.external_pub, entropy)
    try:
        plan = _plan(found, draft, policy, kem_output, init_secret, psks)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=refused.code) from None
    interim = schedule.interim_transcript_hash(
        suite, context.confirmed_transcript_hash, found.info.confirmation_tag
    )
    made = make_commit(Footing(context, found.tree, interim), plan, policy, entropy)
    public = protect_public(suite, made.authenticated, context=context, membership_key=b"")
    group = enter(
        made.arrival.context,
        made.arrival.beginning,
        tree=made.tree,
        node_keys=made.node_keys,
        signature_private=draft.leaf.signature.private,
    )
    return PendingCommit(group=None, message=MlsMessage(public).to_bytes(), next_group=group)


def _plan(
    found: OpenGroup,
    draft: ExternalDraft,
    policy: Policy,
    kem_output: bytes,
    init_secret: bytes,
    psks: KnownPsks,
) -> Plan:
    wanted: list[Proposal] = [ExternalInit(kem_output)]
    if draft.removed is not None:
        wanted.append(Remove(draft.removed))
    wanted.extend(map(PreSharedKey, draft.psks))
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    proposals = tuple(SentProposal(proposal, sender, by_reference=False) for proposal in wanted)
    for sent in proposals:
        rules.verify_proposal(found.tree, sent)
    rules.verify_external_list(proposals)
    verify_size(found.tree, proposals, policy.max_members)
    changed = apply_proposals(found.tree, found.info.group_context.extensions, proposals)
    roomy, leaf = changed.tree.with_room()
    return Plan(
        sender=sender,
        leaf=leaf,
        leaf_before=None if draft.removed is None else found.tree.leaf(draft.removed),
        signature_private=draft.leaf.signature.private,
        proposals=proposals,
        items=tuple(wanted),
        changed=replace(changed, tree=roomy),
        new_leaf=NewLeaf(_drafted(draft.leaf), draft.leaf.signature.private),
        node_keys=None,
        init_secret=init_secret,
        psks=find_psks(changed.psk_ids, psks, None),
        authenticated_data=draft.authenticated_data,
        wire_format=WireFormat.PUBLIC_MESSAGE,
    )


def _drafted(draft: LeafDraft) -> LeafNode:
    """Return a leaf that has all but what a path puts into it."""
    return LeafNode(
        encryption_key=b"",
        signature_key=draft.signature.public,
        credential=draft.credential,
        capabilities=draft.capabilities,
        source=LeafNodeSource.COMMIT,
        parent_hash=b"",
        extensions=draft.extensions,
    )
