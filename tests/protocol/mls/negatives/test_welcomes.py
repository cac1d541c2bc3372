# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 sections 12.4.3 and 12.4.3.1: what a joiner refuses of a Welcome and of the group behind it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.mls import schedule
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks, find_psks
from protocol.mls.commits import CommitDraft, create_commit, group_info
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.schedule import Psk
from protocol.mls.sending import external_psk, resumption_psk
from protocol.mls.structures.extensions import Extension, ExtensionType
from protocol.mls.structures.group_info import (
    GROUP_INFO_LABEL,
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    parse_group_secrets,
)
from protocol.mls.structures.messages import MlsMessage, parse_mls_message
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import (
    Add,
    ExternalPskId,
    PskId,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
)
from protocol.mls.suites import PRODUCT_SUITE, decrypt_with_label, encrypt_with_label
from protocol.mls.tree.ratchet_tree import RatchetTree
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import flipped, same
from tests.support.mls_members import POLICY, key_package, leaf_draft
from tests.support.mls_negatives import members
from tests.support.mls_policy import Refusing
from tests.support.mls_suites import SUITE_1

SUITE = PRODUCT_SUITE
ENTROPY = SeededEntropy("welcomes")
NEWCOMER = key_package("newcomer")
NONCE = bytes(SUITE.hash_bytes)


@dataclass(frozen=True)
class Invitation:
    """A Welcome, with what its maker knows."""

    welcome: bytes
    maker: Group


def invitation(draft: CommitDraft | None = None, psks: KnownPsks = NO_PSKS, size: int = 3) -> Invitation:
    draft = draft or CommitDraft(proposals=[Add(NEWCOMER.package)])
    pending = create_commit(members(size)[0], draft, POLICY, ENTROPY, psks=psks)
    return Invitation(pending.welcomes[0], pending.next_group)


def welcome_of(message: bytes) -> Welcome:
    body = parse_mls_message(message).body
    assert isinstance(body, Welcome)
    return body


def secrets_of(message: bytes) -> GroupSecrets:
    body = welcome_of(message)
    return parse_group_secrets(
        decrypt_with_label(
            SUITE,
            NEWCOMER.init_private,
            label="Welcome",
            context=body.encrypted_group_info,
            encrypted=body.secrets[0].encrypted,
        )
    )


@dataclass(frozen=True)
class Lie:
    """What a forged Welcome says otherwise.

    Attributes:
        info: changes the group information before it is signed.
        signed: changes it afterwards.
        secrets: changes what only the joiner reads.
        psks: that go into the encryption.
    """

    info: Callable[[GroupInfo], GroupInfo] = same
    signed: Callable[[GroupInfo], GroupInfo] = same
    secrets: Callable[[GroupSecrets], GroupSecrets] = same
    psks: tuple[Psk, ...] = ()


def forged(lie: Lie, made: Invitation | None = None) -> bytes:
    """Return a Welcome that its maker changed."""
    made = made or invitation()
    secrets = lie.secrets(secrets_of(made.welcome))
    unsigned = lie.info(replace(group_info(made.maker), signature=b""))
    private = made.maker.signature_private
    signature = SUITE.sign_with_label(private, GROUP_INFO_LABEL, unsigned.tbs())
    info = lie.signed(replace(unsigned, signature=signature))
    psk = schedule.psk_secret(SUITE, lie.psks)
    key, nonce = schedule.welcome_key(SUITE, schedule.welcome_secret(SUITE, secrets.joiner_secret, psk))
    sealed = SUITE.aead_seal(key, nonce, b"", info.to_bytes())
    encrypted = encrypt_with_label(
        SUITE,
        NEWCOMER.package.init_key,
        label="Welcome",
        context=sealed,
        plaintext=secrets.to_bytes(),
        entropy=ENTROPY,
    )
    entry = EncryptedGroupSecrets(NEWCOMER.package.reference(SUITE), encrypted)
    return MlsMessage(Welcome(SUITE.number, (entry,), sealed)).to_bytes()


def refused(message: bytes, match: str, code: ReasonCode | None = None, psks: KnownPsks = NO_PSKS) -> None:
    with pytest.raises(RemoteProtocolError, match=match) as caught:
        join(SUITE, message, NEWCOMER, POLICY, psks=psks)
    if code is not None:
        assert caught.value.code is code


def context_changed(**changes: object) -> Callable[[GroupInfo], GroupInfo]:
    def change(info: GroupInfo) -> GroupInfo:
        return replace(info, group_context=replace(info.group_context, **changes))  # type: ignore[arg-type]

    return change


def tree_changed(change: Callable[[RatchetTree], RatchetTree], rehash: bool) -> Lie:
    """Put another tree into the group information, with its own hash or with the old one."""

    def changed(info: GroupInfo) -> GroupInfo:
        tree = change(invitation().maker.tree)
        extension = Extension(ExtensionType.RATCHET_TREE, tree.to_bytes())
        info = replace(info, extensions=(extension,))
        return context_changed(tree_hash=tree.tree_hash())(info) if rehash else info

    return Lie(info=changed)


def test_a_forged_welcome_that_does_not_lie_is_taken() -> None:
    made = invitation()
    group = join(SUITE, forged(Lie(), made), NEWCOMER, POLICY)
    assert group.epoch_authenticator == made.maker.epoch_authenticator


# --- the Welcome ------------------------------------------------------------------------------------------
def test_12_4_3_1_a_welcome_for_somebody_else() -> None:
    message = invitation().welcome
    with pytest.raises(RemoteProtocolError, match="somebody else") as caught:
        join(SUITE, message, key_package("other"), POLICY)
    assert caught.value.code is ReasonCode.NOT_FOUND


def test_12_4_3_1_a_welcome_of_another_suite() -> None:
    other = key_package("newcomer", suite=SUITE_1)
    with pytest.raises(RemoteProtocolError, match="another suite"):
        join(SUITE_1, invitation().welcome, other, POLICY)
    with pytest.raises(RemoteProtocolError, match="another suite"):
        join(SUITE, invitation().welcome, other, POLICY)
    body = welcome_of(invitation().welcome)
    refused(MlsMessage(replace(body, cipher_suite=1)).to_bytes(), match="another suite")


def test_12_4_3_1_secrets_that_cannot_be_opened() -> None:
    body = welcome_of(invitation().welcome)
    entry = body.secrets[0]
    for changed in (
        entry.encrypted._replace(ciphertext=flipped(entry.encrypted.ciphertext)),
        entry.encrypted._replace(kem_output=flipped(entry.encrypted.kem_output)),
        entry.encrypted._replace(kem_output=b""),
    ):
        message = replace(body, secrets=(replace(entry, encrypted=changed),))
        refused(MlsMessage(message).to_bytes(), match="cannot be opened")


def test_12_4_3_1_group_information_that_was_changed() -> None:
    body = welcome_of(invitation().welcome)
    message = replace(body, encrypted_group_info=flipped(body.encrypted_group_info))
    refused(MlsMessage(message).to_bytes(), match="cannot be opened")


def test_12_4_3_1_another_joiner_secret() -> None:
    def change(secrets: GroupSecrets) -> GroupSecrets:
        return replace(secrets, joiner_secret=bytes(SUITE.hash_bytes))

    refused(forged(Lie(secrets=change)), match="confirmation")


def test_not_a_welcome() -> None:
    group = members(3)[0]
    refused(MlsMessage(group_info(group)).to_bytes(), match="not a Welcome", code=ReasonCode.BAD_CONTENT)


@given(st.data())
@settings(max_examples=60)
def test_any_changed_octet_of_a_welcome_is_refused(data: st.DataObject) -> None:
    message = invitation().welcome
    at = data.draw(st.integers(0, len(message) - 1))
    octet = data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        join(SUITE, message[:at] + bytes((message[at] ^ octet,)) + message[at + 1 :], NEWCOMER, POLICY)


# --- pre-shared keys --------------------------------------------------------------------------------------
def test_12_4_3_1_a_pre_shared_key_that_is_not_at_hand() -> None:
    """`rfc9420` defect 5: something was put in the place of the missing key."""
    known = KnownPsks(external={b"psk": b"secret"})
    psk = external_psk(b"psk", suite=SUITE, entropy=ENTROPY)
    made = invitation(CommitDraft(proposals=[psk, Add(NEWCOMER.package)]), known)
    refused(made.welcome, match="do not have", code=ReasonCode.NO_KEY)
    refused(made.welcome, match="cannot be opened", psks=KnownPsks(external={b"psk": b"other"}))
    group = join(SUITE, made.welcome, NEWCOMER, POLICY, psks=known)
    assert group.epoch_authenticator == made.maker.epoch_authenticator


def test_12_4_3_1_the_resumption_key_of_an_epoch_before_we_joined() -> None:
    one = members(3)[0]
    psk = resumption_psk(one.group_id, one.epoch, suite=SUITE, entropy=ENTROPY)
    made = invitation(CommitDraft(proposals=[psk, Add(NEWCOMER.package)]))
    refused(made.welcome, match="do not have", code=ReasonCode.NO_KEY)
    known = KnownPsks(resumption={(one.group_id, one.epoch): one.secrets.resumption_psk})
    join(SUITE, made.welcome, NEWCOMER, POLICY, psks=known)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ([ExternalPskId(b"psk", NONCE)] * 2, "twice"),
        ([ExternalPskId(b"psk", NONCE[:-1])], "wrong length"),
        ([ResumptionPskId(ResumptionUsage.REINIT, b"group", 1, NONCE)], "continues another"),
        ([ResumptionPskId(ResumptionUsage.BRANCH, b"group", 1, NONCE)], "continues another"),
    ],
)
def test_12_4_3_1_pre_shared_keys_that_a_welcome_must_not_name(names: list[PskId], match: str) -> None:
    known = KnownPsks(external={b"psk": b"secret"}, resumption={(b"group", 1): b"secret"})
    psks = tuple(find_psks(names, known, None))
    message = forged(Lie(secrets=lambda secrets: replace(secrets, psks=tuple(names)), psks=psks))
    refused(message, match=match, psks=known)


def test_12_4_3_1_a_pre_shared_key_that_the_group_does_not_use() -> None:
    known = KnownPsks(external={b"psk": b"secret"})
    names = (ExternalPskId(b"psk", NONCE),)
    psks = tuple(find_psks(names, known, None))
    message = forged(Lie(secrets=lambda secrets: replace(secrets, psks=names), psks=psks))
    refused(message, match="confirmation", psks=known)


# --- group information ------------------------------------------------------------------------------------
def test_12_4_3_group_information_signed_by_another_member() -> None:
    """`rfc9420` defect 7: a signature by any leaf of the tree was enough."""
    refused(forged(Lie(info=lambda info: replace(info, signer=1))), match="does not hold")


@pytest.mark.parametrize("signer", [7, 2**32 - 1])
def test_12_4_3_group_information_signed_by_nobody(signer: int) -> None:
    refused(forged(Lie(info=lambda info: replace(info, signer=signer))), match="nobody signed")


@pytest.mark.parametrize("signature", [flipped, lambda _: b""])
def test_12_4_3_group_information_whose_signature_does_not_hold(
    signature: Callable[[bytes], bytes],
) -> None:
    lie = Lie(signed=lambda info: replace(info, signature=signature(info.signature)))
    refused(forged(lie), match="does not hold")


def test_12_4_3_1_a_confirmation_tag_that_does_not_hold() -> None:
    """`rfc9420` defect 8."""
    lie = Lie(info=lambda info: replace(info, confirmation_tag=flipped(info.confirmation_tag)))
    refused(forged(lie), match="confirmation")


@pytest.mark.parametrize(
    "changes",
    [{"epoch": 99}, {"group_id": b"other"}, {"confirmed_transcript_hash": bytes(48)}],
    ids=["epoch", "group id", "transcript hash"],
)
def test_12_4_3_1_a_context_other_than_that_of_the_group(changes: dict[str, object]) -> None:
    refused(forged(Lie(info=context_changed(**changes))), match="confirmation|does not hold")


def test_12_4_3_1_a_group_of_another_suite() -> None:
    refused(forged(Lie(info=context_changed(cipher_suite=1))), match="another suite")


def test_13_4_a_group_extension_that_we_do_not_support() -> None:
    """All extensions of the group context are mandatory; in the group information others are ignored."""
    unknown = Extension(0xF0F0, b"")
    refused(forged(Lie(info=context_changed(extensions=(unknown,)))), match="does not support")
    lie = Lie(info=lambda info: replace(info, extensions=(*info.extensions, unknown)))
    join(SUITE, forged(lie), NEWCOMER, POLICY)


# --- the tree ---------------------------------------------------------------------------------------------
def test_12_4_3_1_a_welcome_without_a_tree() -> None:
    draft = CommitDraft(proposals=[Add(NEWCOMER.package)], welcome_with_tree=False)
    made = invitation(draft)
    refused(made.welcome, match="without its tree", code=ReasonCode.NOT_FOUND)
    group = join(SUITE, made.welcome, NEWCOMER, POLICY, ratchet_tree=made.maker.tree.to_bytes())
    assert group.tree == made.maker.tree
    with pytest.raises(RemoteProtocolError, match="another group or epoch"):
        join(SUITE, made.welcome, NEWCOMER, POLICY, ratchet_tree=members(3)[0].tree.to_bytes())


def test_12_4_3_1_a_tree_with_another_hash() -> None:
    lie = tree_changed(lambda tree: tree.remove_leaf(1), rehash=False)
    refused(forged(lie), match="another group or epoch")


def test_12_4_3_1_a_group_that_we_are_not_in() -> None:
    lie = tree_changed(lambda tree: tree.remove_leaf(3), rehash=True)
    refused(forged(lie), match="not in")


def test_12_4_3_1_a_leaf_like_ours_but_another() -> None:
    again = key_package("newcomer", seed="")
    assert again.package == NEWCOMER.package
    other = key_package("newcomer", seed="another")
    draft = CommitDraft(proposals=[Add(NEWCOMER.package)])
    message = invitation(draft).welcome
    swapped = replace(NEWCOMER, package=replace(NEWCOMER.package, leaf_node=other.package.leaf_node))
    with pytest.raises(RemoteProtocolError, match="somebody else"):
        join(SUITE, message, swapped, POLICY)


def leaf_changed(change: Callable[[LeafNode], LeafNode]) -> Callable[[RatchetTree], RatchetTree]:
    def changed(tree: RatchetTree) -> RatchetTree:
        leaf = tree.leaf(1)
        assert leaf is not None
        return tree.with_nodes({2: change(leaf)})

    return changed


def test_7_3_a_member_whose_leaf_does_not_hold() -> None:
    def spoil(leaf: LeafNode) -> LeafNode:
        return replace(leaf, signature=flipped(leaf.signature))

    refused(forged(tree_changed(leaf_changed(spoil), rehash=True)), match="does not hold|stands for")


def test_7_3_a_key_that_two_members_have() -> None:
    key = members(3)[0].own_leaf_node.signature_key

    def steal(leaf: LeafNode) -> LeafNode:
        return replace(leaf, signature_key=key)

    refused(forged(tree_changed(leaf_changed(steal), rehash=True)), match="twice|stands for")


def test_7_9_2_a_parent_for_which_no_leaf_stands() -> None:
    def plant(tree: RatchetTree) -> RatchetTree:
        parent = tree.nodes[1]
        assert parent is not None
        return tree.with_nodes(
            {1: replace(parent, encryption_key=SUITE.derive_key_pair(b"planted!" * 6).public)}
        )

    refused(forged(tree_changed(plant, rehash=True)), match="stands for")


@pytest.mark.parametrize("secret", [None, bytes(SUITE.hash_bytes)])
def test_12_4_3_1_a_path_secret_that_does_not_fit(secret: bytes | None) -> None:
    message = forged(Lie(secrets=lambda secrets: replace(secrets, path_secret=secret)))
    refused(message, match="without a key|does not follow")


def test_12_4_3_1_a_path_secret_where_there_was_no_path() -> None:
    made = invitation(CommitDraft(proposals=[Add(NEWCOMER.package)], path=False), size=1)
    message = forged(Lie(secrets=lambda secrets: replace(secrets, path_secret=bytes(SUITE.hash_bytes))), made)
    refused(message, match="does not follow|does not meet")


# --- the policy -------------------------------------------------------------------------------------------
def test_a_group_that_the_policy_refuses() -> None:
    message = invitation().welcome
    for policy in (
        Refusing(group=lambda view: view.signer == 0 and not view.external),
        Refusing(leaf=lambda leaf: leaf.signature_key == leaf_draft("1").signature.public),
    ):
        with pytest.raises(RemoteProtocolError, match="policy refuses"):
            join(SUITE, message, NEWCOMER, policy)
    with pytest.raises(RemoteProtocolError, match="too many members"):
        join(SUITE, message, NEWCOMER, Refusing(max_members=3))
    policy = Refusing(max_members=4)
    join(SUITE, message, NEWCOMER, policy)
    assert policy.asked == ["leaf"] * 4 + ["group"]


def test_who_was_removed_before_is_not_in_the_tree_of_a_welcome() -> None:
    draft = CommitDraft(proposals=[Remove(1), Add(NEWCOMER.package)])
    group = join(SUITE, invitation(draft).welcome, NEWCOMER, POLICY)
    assert [member.leaf_index for member in group.members()] == [0, 1, 2]
    assert group.own_leaf == 1
