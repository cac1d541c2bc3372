# SPDX-License-Identifier: Apache-2.0
"""Welcomes and group information by members without scruples: any part changed, and sealed and signed again.

Whatever follows from the changed part is made to fit, so a refusal is for the change and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocol.mls import schedule
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks, find_psks
from protocol.mls.commits import WELCOME_LABEL, CommitDraft, create_commit, install
from protocol.mls.founding import KeyPackageSecrets
from protocol.mls.group import Group
from protocol.mls.joining import is_for
from protocol.mls.structures.extensions import Extension, ExtensionType
from protocol.mls.structures.group_info import (
    GROUP_INFO_LABEL,
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    parse_group_info,
    parse_group_secrets,
)
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import MlsMessage, parse_mls_message
from protocol.mls.structures.proposals import Add, Proposal, Remove
from protocol.mls.suites import Suite, decrypt_with_label, encrypt_with_label
from protocol.mls.tree.ratchet_tree import RatchetTree
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import NOW_MS, POLICY, follow, group_of, key_package


def forged_info(
    member: Group, info: GroupInfo, *, signed_by: Group | None = None, **changes: Any
) -> GroupInfo:
    """Group information with changes, signed by a member.

    Args:
        member: whose leaf is named, unless the changes have a `signer`.
        info: good group information.
        signed_by: whose key signs, if not the member's.
        changes: fields of `GroupInfo`, or of its group context, or `tree`, which sets the hash as well.
    """
    tree: RatchetTree | None = changes.pop("tree", None)
    if tree is not None:
        changes["tree_hash"] = tree.tree_hash()
        changes["extensions"] = with_tree(info.extensions, tree.to_bytes())
    in_info = {
        name: changes.pop(name) for name in ("extensions", "confirmation_tag", "signer") if name in changes
    }
    if "group_extensions" in changes:
        changes["extensions"] = changes.pop("group_extensions")
    context = replace(info.group_context, **changes)
    unsigned = replace(info, **{"signer": member.own_leaf, **in_info}, group_context=context, signature=b"")
    private = (signed_by or member).signature_private
    signature = member.suite.sign_with_label(private, GROUP_INFO_LABEL, unsigned.tbs())
    return replace(unsigned, signature=signature)


def with_tree(extensions: Sequence[Extension], data: bytes | None) -> tuple[Extension, ...]:
    """Extensions of group information with another tree, or without."""
    kept = [one for one in extensions if one.extension_type != ExtensionType.RATCHET_TREE]
    if data is not None:
        kept.append(Extension(ExtensionType.RATCHET_TREE, data))
    return tuple(kept)


@dataclass(frozen=True)
class Invitation:
    """A Welcome, with everything that is in it.

    Attributes:
        secrets: of the joiner.
        members: those who were in the group before, in the epoch of the Welcome, by their leaf.
        committer: who sent it.
        welcome: as the committer made it.
        told: what only the joiner may read.
        info: what is said of the group.
        psk: secret of all pre-shared keys together.
    """

    secrets: KeyPackageSecrets
    members: dict[int, Group]
    committer: Group
    welcome: bytes
    told: GroupSecrets
    info: GroupInfo
    psk: bytes

    def forged(self, *, by: int | None = None, **changes: Any) -> GroupInfo:
        """Group information with changes; the confirmation fits unless it is changed itself."""
        signer = self.committer if by is None else self.members[by]
        info = forged_info(signer, self.info, **changes)
        if "confirmation_tag" not in changes:
            suite, context = signer.suite, info.group_context
            beginning = schedule.begin_epoch(suite, self.told.joiner_secret, self.psk, context.to_bytes())
            tag = schedule.confirmation_tag(
                suite, beginning.confirmation_key, context.confirmed_transcript_hash
            )
            info = forged_info(signer, self.info, **changes, confirmation_tag=tag)
        return info

    def sealed(
        self,
        info: GroupInfo | bytes | None = None,
        *,
        told: GroupSecrets | None = None,
        plaintext: bytes | None = None,
        context: bytes | None = None,
    ) -> bytes:
        """A Welcome with other group information.

        Args:
            info: in it.
            told: what only the joiner may read.
            plaintext: in its place.
            context: of the encryption, if it is not for this information.
        """
        suite, package = self.committer.suite, self.secrets.package
        told, said = told or self.told, info or self.info
        secret = schedule.welcome_secret(suite, told.joiner_secret, self.psk)
        key, nonce = schedule.welcome_key(suite, secret)
        encoded = said if isinstance(said, bytes) else said.to_bytes()
        encrypted_info = suite.aead_seal(key, nonce, b"", encoded)
        encrypted = encrypt_with_label(
            suite,
            package.init_key,
            label=WELCOME_LABEL,
            context=encrypted_info if context is None else context,
            plaintext=plaintext or told.to_bytes(),
            entropy=SeededEntropy("sealed"),
        )
        entry = EncryptedGroupSecrets(package.reference(suite), encrypted)
        return MlsMessage(Welcome(suite.number, (entry,), encrypted_info)).to_bytes()


def invitation(
    members: int = 3,
    *,
    committer: int = 0,
    proposals: Sequence[Proposal] = (),
    path: bool = True,
    psks: KnownPsks = NO_PSKS,
    groups: list[Group] | None = None,
) -> Invitation:
    """A Welcome into a group of some size."""
    before = groups or group_of(members)
    suite = before[0].suite
    secrets = key_package("newcomer", suite=suite)
    draft = CommitDraft(proposals=[Add(secrets.package), *proposals], path=path)
    pending = create_commit(before[committer], draft, POLICY, SeededEntropy("invite"), psks=psks)
    gone = {proposal.removed for proposal in proposals if isinstance(proposal, Remove)}
    after = {
        group.own_leaf: follow(group, pending.message, psks)
        for at, group in enumerate(before)
        if at != committer and group.own_leaf not in gone
    }
    own = install(before[committer], pending.next_group, NOW_MS)
    after[own.own_leaf] = own
    return opened(secrets, after, own, pending.welcomes[0], psks)


def opened(
    secrets: KeyPackageSecrets, members: dict[int, Group], committer: Group, welcome: bytes, psks: KnownPsks
) -> Invitation:
    """Open a Welcome, for whoever has the joiner's keys."""
    told, info, psk = open_parts(committer.suite, welcome, secrets.package, secrets.init_private, psks)
    return Invitation(secrets, members, committer, welcome, told, info, psk)


def open_parts(
    suite: Suite, welcome: bytes, package: KeyPackage, init_private: bytes, psks: KnownPsks = NO_PSKS
) -> tuple[GroupSecrets, GroupInfo, bytes]:
    """Return what is in a Welcome, nothing of it judged, and the secret of all pre-shared keys together."""
    body = parse_mls_message(welcome).body
    assert isinstance(body, Welcome)
    entry = is_for(suite, body, package.reference(suite))
    assert entry is not None
    told = parse_group_secrets(
        decrypt_with_label(
            suite,
            init_private,
            label=WELCOME_LABEL,
            context=body.encrypted_group_info,
            encrypted=entry.encrypted,
        )
    )
    psk = schedule.psk_secret(suite, find_psks(told.psks, psks, None))
    key, nonce = schedule.welcome_key(suite, schedule.welcome_secret(suite, told.joiner_secret, psk))
    info = parse_group_info(suite.aead_open(key, nonce, b"", body.encrypted_group_info))
    return told, info, psk
