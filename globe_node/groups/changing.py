# SPDX-License-Identifier: Apache-2.0
"""How the hub makes a group and changes who is in it. It stores nothing: `book` does.

1. A new group is filled by its first commit, which nobody but its founder ever sees.
2. A change of the roster is one commit: leaves go and come, and the extension names the roster after it. The
   hub gives it its place and its receipt at once, for it orders its own commits like those of others.
3. Leaves also go and come while the roster stays: those that fell, and those of members who lack one. And
   the hub can make another member the hub.
4. Every joiner gets an invitation of its own, with the leaf certificates of all members.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from globe_node.groups.packages.leaf_keys import LeafKey, current_leaf_key, draft_of
from globe_node.groups.packages.stock import UsablePackage
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.extension import ConsultationExtension, amended
from protocol.groups.membership import Certificates, identity_in
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import context_extensions, parse_context_extensions
from protocol.groups.sealed import Invitation, OrderedCommit
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.hub_receipt import HubReceipt, commit_hash, sign_hub_receipt
from protocol.identifiers import AuthorityId, NodeName
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.founding import found_group
from protocol.mls.group import Group
from protocol.mls.structures.proposals import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
)
from protocol.mls.suites import PRODUCT_SUITE
from protocol.receipts import Issuer


@dataclass(frozen=True, slots=True)
class Changed:
    """What a commit of ours leads to.

    Attributes:
        group: in the new epoch.
        commit: what the members get; None for the commit that filled a new group.
        invitations: what the joiners get.
    """

    group: Group
    commit: OrderedCommit | None = field(repr=False)
    invitations: dict[AuthorityId, Invitation] = field(repr=False)


def found(
    bench: Workbench,
    tx: Transaction,
    policy: ProfilePolicy,
    *,
    group_id: bytes,
    extension: ConsultationExtension,
    packages: Sequence[UsablePackage],
    before: Group | None = None,
) -> Changed:
    """Make a group with everybody in it.

    Args:
        bench: what we work with.
        tx: the transaction; a leaf key may be made in it.
        policy: of this moment; it must know the certificates of the packages.
        group_id: 32 octets that were drawn for it.
        extension: what the group is for.
        packages: of everybody else.
        before: the group that it continues: a key of that goes into the new one, so that only who was in it
            comes into this one by an invitation.

    Raises:
        LocalProtocolError: one of the packages can't be used.
        NodeError: this node can certify no leaf key now.
    """
    leaf = current_leaf_key(bench, tx)
    alone = found_group(
        PRODUCT_SUITE,
        group_id,
        draft_of(leaf, bench.entropy),
        extensions=context_extensions(extension),
        entropy=bench.entropy,
    )
    proposals: list[Proposal] = [Add(one.package) for one in packages]
    psks = NO_PSKS
    if before is not None:
        nonce = bench.entropy.random_bytes(PRODUCT_SUITE.hash_bytes)
        name = ResumptionPskId(ResumptionUsage.APPLICATION, before.group_id, before.epoch, nonce)
        psks = KnownPsks(resumption={(before.group_id, before.epoch): before.secrets.resumption_psk})
        proposals.append(PreSharedKey(name))
    draft = CommitDraft(proposals=proposals, path=False)
    pending = create_commit(alone, draft, policy, bench.entropy, psks=psks)
    certificates = (leaf.certificate, *(one.certificate for one in packages))
    return Changed(pending.next_group, None, _invitations(packages, pending.welcomes, certificates))


def change(
    bench: Workbench,
    group: Group,
    policy: ProfilePolicy,
    *,
    packages: Sequence[UsablePackage],
    removed: Collection[AuthorityId],
    own: LeafKey | None,
) -> Changed:
    """Take authorities in and out of a group of which this node is the hub.

    Args:
        bench: what we work with.
        group: as it is.
        policy: of this moment; it must know the certificates of the packages and of `own`.
        packages: of those who come.
        removed: who goes.
        own: our new leaf key, if there is a newer one than that of our leaf.

    Raises:
        LocalProtocolError: we are not the hub, or a rule would be broken.
        NodeError: this node can sign nothing now.
    """
    extension = parse_context_extensions(group.context.extensions)
    if extension.hub != bench.name:
        raise LocalProtocolError("only the hub changes the members", code=ReasonCode.ILLEGAL_MOVE)
    names = [identity_in(one.package.leaf_node).name for one in packages]
    roster = {*extension.roster, *(name.authority for name in names)}.difference(removed)
    after = amended(
        extension,
        roster=roster,
        successors=[one for one in (*extension.successors, *names) if one.authority in roster],
    )
    leaves = [number for number, leaf in group.tree.members() if identity_in(leaf).name.authority in removed]
    proposals: list[Proposal] = [
        *(Remove(number) for number in leaves),
        *(Add(one.package) for one in packages),
        GroupContextExtensions(context_extensions(after)),
    ]
    return _commit(bench, group, policy, packages=packages, proposals=proposals, own=own)


def mend(
    bench: Workbench,
    group: Group,
    policy: ProfilePolicy,
    *,
    packages: Sequence[UsablePackage],
    leaves: Collection[int],
    own: LeafKey | None,
) -> Changed:
    """Take leaves out of a group of which this node is the hub, and give members a leaf who have none.

    Who belongs to the consultation stays as it is.

    Args:
        bench: what we work with.
        group: as it is.
        policy: of this moment; it must know the certificates of the packages and of `own`.
        packages: of members who have no leaf after it.
        leaves: numbers of those that go; not ours.
        own: our new leaf key, if there is a newer one than that of our leaf.

    Raises:
        LocalProtocolError: a rule would be broken.
        NodeError: this node can sign nothing now.
    """
    proposals: list[Proposal] = [
        *(Remove(number) for number in leaves),
        *(Add(one.package) for one in packages),
    ]
    return _commit(bench, group, policy, packages=packages, proposals=proposals, own=own)


def hand_over(
    bench: Workbench, group: Group, policy: ProfilePolicy, *, hub: NodeName, own: LeafKey | None
) -> Changed:
    """Make another member the hub of a group of which this node is the hub; we are its first successor then.

    Raises:
        LocalProtocolError: a rule would be broken.
        NodeError: this node can sign nothing now.
    """
    extension = parse_context_extensions(group.context.extensions)
    others = [one for one in extension.successors if one not in (hub, bench.name)]
    after = amended(extension, hub=hub, successors=[bench.name, *others])
    proposals = [GroupContextExtensions(context_extensions(after))]
    return _commit(bench, group, policy, packages=(), proposals=proposals, own=own)


def _commit(
    bench: Workbench,
    group: Group,
    policy: ProfilePolicy,
    *,
    packages: Sequence[UsablePackage],
    proposals: Sequence[Proposal],
    own: LeafKey | None,
) -> Changed:
    """Make a commit of the hub, with its place."""
    new_leaf = None if own is None else draft_of(own, bench.entropy)
    draft = CommitDraft(proposals=proposals, new_leaf=new_leaf)
    pending = create_commit(group, draft, policy, bench.entropy)
    if pending.group is None:
        raise LocalProtocolError("a commit from outside")
    entered = install(pending.group, pending.next_group, bench.now_ms())
    commit = OrderedCommit(
        pending.message,
        receipt_for(bench, entered, pending.message, policy.at),
        (*(one.certificate for one in packages), *((own.certificate,) if own is not None else ())),
    )
    certificates = certificates_in(entered, policy.certificates)
    return Changed(entered, commit, _invitations(packages, pending.welcomes, certificates))


def certificates_in(group: Group, known: Certificates) -> tuple[bytes, ...]:
    """Return the certificates of all leaves of a group."""
    return tuple(known[identity_in(leaf).certificate_hash] for _, leaf in group.tree.members())


def receipt_for(bench: Workbench, entered: Group, commit: bytes, at: datetime) -> bytes:
    """Sign that a commit has its place: that it ended the epoch before this one.

    Args:
        bench: what we work with.
        entered: the group in the epoch that the commit has begun.
        commit: an `MLSMessage`.
        at: the moment for which the commit was judged.

    Raises:
        NodeError: this node can sign nothing now.
    """
    signer = bench.signer()
    return sign_hub_receipt(
        signer,
        HubReceipt(
            consultation=parse_context_extensions(entered.context.extensions).consultation,
            group_id=entered.group_id,
            epoch=entered.epoch - 1,
            commit=commit_hash(commit),
            authenticator=authenticator_hash(entered.epoch_authenticator),
            created=at.replace(microsecond=at.microsecond // 1000 * 1000),
            issuer=Issuer(bench.name.authority, bench.name.node, signer.key_id),
        ),
    )


def _invitations(
    packages: Sequence[UsablePackage], welcomes: Sequence[bytes], certificates: tuple[bytes, ...]
) -> dict[AuthorityId, Invitation]:
    names = [identity_in(one.package.leaf_node).name.authority for one in packages]
    return {name: Invitation(welcome, certificates) for name, welcome in zip(names, welcomes, strict=True)}
