# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 sections 6, 9 and 15: messages that are forged, changed, repeated, early, late or misplaced."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ConflictError, ReasonCode, RemoteProtocolError
from protocol.mls.commits import CommitDraft, create_commit, group_info, install
from protocol.mls.framing import open_sender_data, sender_data_key
from protocol.mls.group import MAX_AGE_MS, MAX_PROPOSALS, PAST_EPOCHS, Group, forget
from protocol.mls.processing import Application, Committed, process
from protocol.mls.secret_tree import MAX_SKIP, RatchetKind, next_key
from protocol.mls.sending import ProposalDraft, propose, protect
from protocol.mls.structures.extensions import (
    BasicCredential,
    Extension,
    ExtensionType,
    ExternalSender,
    external_senders_bytes,
)
from protocol.mls.structures.messages import (
    ContentType,
    MlsMessage,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    parse_mls_message,
)
from protocol.mls.structures.proposals import Add, ExternalInit, Remove
from protocol.mls.structures.vectors import octets_of
from protocol.mls.suites import PRODUCT_SUITE
from protocol.octets import Writer
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import Forgery, flipped, forge
from tests.support.mls_members import (
    NOW_MS,
    POLICY,
    follow,
    group_of,
    hear,
    key_package,
    leaf_draft,
    say,
)
from tests.support.mls_negatives import declines, kept_by, members, refuses
from tests.support.mls_policy import Refusing

SUITE = PRODUCT_SUITE
ENTROPY = SeededEntropy("messages")
OUTSIDE = Sender(SenderType.EXTERNAL, 0)


def private_of(message: bytes) -> PrivateMessage:
    body = parse_mls_message(message).body
    assert isinstance(body, PrivateMessage)
    return body


def public_of(message: bytes) -> PublicMessage:
    body = parse_mls_message(message).body
    assert isinstance(body, PublicMessage)
    return body


# --- 6.1: who said it -------------------------------------------------------------------------------------
@pytest.mark.parametrize("signature", [lambda _: b"", flipped, lambda _: bytes(64), lambda text: text * 2])
def test_6_1_application_data_whose_signature_does_not_hold(signature: Callable[[bytes], bytes]) -> None:
    """`rfc9420` defect 1: data with an empty signature was taken."""
    one, other = members(2)
    refuses(other, forge(one, b"data", Forgery(signature=signature)), match="does not hold")


def test_6_1_application_data_in_the_name_of_another_member() -> None:
    """`rfc9420` defect 2: any member could speak for any other."""
    groups = members(4)
    as_third = Forgery(sender=Sender(SenderType.MEMBER, 2))
    refuses(groups[1], forge(groups[0], b"data", as_third), match="does not hold")


def test_6_1_application_data_with_another_members_message_keys() -> None:
    groups = members(4)
    refuses(groups[1], forge(groups[0], b"data", Forgery(key_of=2)), match="cannot be opened")


def test_6_1_a_signature_for_another_purpose() -> None:
    one, other = members(2)
    for label in ("LeafNodeTBS", "KeyPackageTBS", "GroupInfoTBS", "anp1/record"):

        def signed(_: bytes, label: str = label) -> bytes:
            return SUITE.sign_with_label(one.signature_private, label, b"content")

        refuses(other, forge(one, b"data", Forgery(signature=signed)), match="does not hold")


def test_6_1_a_signature_for_another_state_of_the_group() -> None:
    one, other = members(2)
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    later = pending.next_group
    told_otherwise = replace(later, context=replace(later.context, tree_hash=one.context.tree_hash))
    refuses(follow(other, pending.message), forge(told_otherwise, b"data"), match="does not hold")


def test_6_2_application_data_in_clear() -> None:
    one, other = members(2)
    refuses(other, forge(one, b"data", Forgery(private=False)), match="in clear")


# --- 6.2: public messages ---------------------------------------------------------------------------------
@pytest.mark.parametrize("tag", [flipped, lambda _: b"", lambda tag: tag[:-1], lambda tag: tag + b"\0"])
def test_6_2_a_membership_tag_that_does_not_hold(tag: Callable[[bytes], bytes]) -> None:
    one, other = members(2)
    message = forge(one, Remove(1), Forgery(private=False, membership=tag))
    refuses(other, message, match="membership tag")


@pytest.mark.parametrize("leaf", [2, 7, 2**32 - 1])
def test_6_2_a_public_message_of_nobody(leaf: int) -> None:
    groups = members(2)
    lie = Forgery(private=False, sender=Sender(SenderType.MEMBER, leaf))
    refuses(groups[1], forge(groups[0], Remove(1), lie), match="of nobody")


def test_6_2_authenticated_data_that_was_changed() -> None:
    one, other = members(2)
    message = public_of(forge(one, Remove(1), Forgery(private=False), authenticated_data=b"frame"))
    changed = replace(message, content=replace(message.content, authenticated_data=b"other"))
    refuses(other, MlsMessage(changed).to_bytes(), match="membership tag")


# --- 6.3: private messages --------------------------------------------------------------------------------
CHANGES: dict[str, Callable[[PrivateMessage], PrivateMessage]] = {
    "authenticated data": lambda said: replace(said, authenticated_data=b"other"),
    "no authenticated data": lambda said: replace(said, authenticated_data=b""),
    "sender data": lambda said: replace(said, encrypted_sender_data=flipped(said.encrypted_sender_data)),
    "no sender data": lambda said: replace(said, encrypted_sender_data=b""),
    "content": lambda said: replace(said, ciphertext=flipped(said.ciphertext)),
    "start of content": lambda said: replace(said, ciphertext=b"\0" + said.ciphertext[1:]),
    "less content": lambda said: replace(said, ciphertext=said.ciphertext[:-1]),
    "no content": lambda said: replace(said, ciphertext=b""),
    "handshake": lambda said: replace(said, content_type=ContentType.PROPOSAL),
    "commit": lambda said: replace(said, content_type=ContentType.COMMIT),
}


@pytest.mark.parametrize("name", CHANGES)
def test_6_3_a_private_message_that_was_changed(name: str) -> None:
    one, other = members(2)
    message = private_of(forge(one, b"data", authenticated_data=b"frame"))
    refuses(other, MlsMessage(CHANGES[name](message)).to_bytes(), match="cannot be opened")


def test_6_3_a_message_of_another_group() -> None:
    one, other = members(2)
    message = private_of(forge(one, b"data"))
    moved = MlsMessage(replace(message, group_id=b"other")).to_bytes()
    refuses(other, moved, ReasonCode.NOT_FOUND, match="another group")


def test_6_3_1_padding_that_is_not_zeros() -> None:
    """One octet of the plaintext after the signature is changed by who made it: the receiver must look."""
    one, other = members(2)
    _, message = protect(one, b"data", authenticated_data=b"", padding=64, entropy=ENTROPY)
    assert hear(other, message)[1] == b"data"
    said = private_of(message)
    secret = one.secrets.sender_data_secret
    data = open_sender_data(SUITE, said, secret)
    _, _, key = next_key(SUITE, one.secret_tree, one.own_leaf, RatchetKind.APPLICATION)
    nonce = bytes(a ^ b for a, b in zip(key.nonce, data.reuse_guard + bytes(8), strict=True))
    about = Writer().op(one.group_id).u64(one.epoch).u8(ContentType.APPLICATION).to_bytes()
    plaintext = SUITE.aead_open(key.key, nonce, about + b"\0", said.ciphertext)
    sealed = SUITE.aead_seal(key.key, nonce, about + b"\0", flipped(plaintext))
    sender_key, sender_nonce = sender_data_key(SUITE, secret, sealed)
    hidden = SUITE.aead_seal(sender_key, sender_nonce, about, octets_of(data))
    forged = replace(said, ciphertext=sealed, encrypted_sender_data=hidden)
    refuses(other, MlsMessage(forged).to_bytes(), match="padding")


@pytest.mark.parametrize("leaf", [3, 2**32 - 1])
def test_6_3_2_a_private_message_of_nobody(leaf: int) -> None:
    groups = members(3)
    lie = Forgery(sender=Sender(SenderType.MEMBER, leaf), key_of=0)
    refuses(groups[1], forge(groups[0], b"data", lie), match="of nobody")


def test_6_a_message_that_is_not_for_members() -> None:
    group = members(2)[0]
    info = MlsMessage(group_info(group)).to_bytes()
    package = MlsMessage(key_package("new").package).to_bytes()
    for message in (info, package):
        refuses(group, message, ReasonCode.BAD_CONTENT, match="not a message for members")


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_are_refused(message: bytes) -> None:
    refuses(members(2)[0], message)


@given(st.data())
@settings(max_examples=100)
def test_any_changed_octet_is_refused(data: st.DataObject) -> None:
    one, other = members(2)
    message = say(one, b"data")[1]
    at = data.draw(st.integers(0, len(message) - 1))
    octet = data.draw(st.integers(1, 255))
    refuses(other, message[:at] + bytes((message[at] ^ octet,)) + message[at + 1 :])


# --- repeated, early, late --------------------------------------------------------------------------------
def test_9_2_a_message_that_comes_twice() -> None:
    """`rfc9420` defect 3: replays inside an epoch were taken without limit."""
    one, other = members(2)
    message = say(one, b"data")[1]
    heard, _ = hear(other, message)
    refuses(heard, message, ReasonCode.ID_CONFLICT)


def test_9_2_a_message_that_comes_twice_after_its_epoch() -> None:
    one, other = members(2)
    first, second = say(one, b"first"), say(say(one, b"first")[0], b"second")
    other, _ = hear(other, first[1])
    pending = create_commit(other, CommitDraft(), POLICY, ENTROPY)
    assert pending.group is not None
    later = install(pending.group, pending.next_group, NOW_MS)
    refuses(later, first[1], ReasonCode.ID_CONFLICT)
    later, heard = hear(later, second[1])
    assert heard == b"second"
    refuses(later, second[1], ReasonCode.ID_CONFLICT)


def test_9_2_a_message_read_while_a_commit_was_pending_is_not_read_again() -> None:
    one, other = members(2)
    message = say(one, b"data")[1]
    pending = create_commit(other, CommitDraft(), POLICY, ENTROPY)
    assert pending.group is not None
    heard, _ = hear(pending.group, message)
    refuses(install(heard, pending.next_group, NOW_MS), message, ReasonCode.ID_CONFLICT)


def test_an_own_message_that_comes_back() -> None:
    one, _ = members(2)
    sent, message = say(one, b"data")
    for group in (one, sent):
        assert isinstance(refuses(group, message, ReasonCode.ID_CONFLICT), ConflictError)
    pending = create_commit(sent, CommitDraft(), POLICY, ENTROPY)
    assert pending.group is not None
    refuses(install(pending.group, pending.next_group, NOW_MS), message, ReasonCode.ID_CONFLICT)
    public = forge(one, Remove(1), Forgery(private=False))
    refuses(one, public, ReasonCode.ID_CONFLICT, match="of our own")


def test_messages_in_any_order_are_taken_once() -> None:
    one, other = members(2)
    sent = []
    for number in range(6):
        one, message = say(one, bytes((number,)), seed=number)
        sent.append(message)
    for number in (4, 0, 5, 2, 1, 3):
        other, heard = hear(other, sent[number])
        assert heard == bytes((number,))
    for message in sent:
        refuses(other, message, ReasonCode.ID_CONFLICT)


def test_9_2_a_generation_too_far_ahead() -> None:
    """`pure-mls`: one message made the receiver compute four billion keys."""
    one, other = members(2)
    for number in range(MAX_SKIP + 2):
        one, message = say(one, b"", seed=number)
    refuses(other, message, ReasonCode.SEQUENCE_GAP)


def several_epochs(count: int) -> tuple[list[bytes], Group]:
    """Return a message of each epoch, unread, and the receiver after the last."""
    one, other = members(2)
    unread = []
    for number in range(count):
        one, message = say(one, bytes((number,)), seed=number)
        unread.append(message)
        pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy(f"epoch {number}"))
        other = follow(other, pending.message)
        assert pending.group is not None
        one = install(pending.group, pending.next_group, NOW_MS)
    return unread, other


def test_messages_of_epochs_before_are_read_as_long_as_they_are_kept() -> None:
    unread, other = several_epochs(PAST_EPOCHS + 2)
    assert len(other.past) == PAST_EPOCHS
    for number, message in enumerate(unread):
        if number < 2:
            refuses(other, message, ReasonCode.EXPIRED)
        else:
            other, heard = hear(other, message)
            assert heard == bytes((number,))


def test_what_is_kept_for_late_messages_is_forgotten_by_time() -> None:
    unread, other = several_epochs(2)
    assert forget(other, NOW_MS + MAX_AGE_MS) is other
    later = forget(other, NOW_MS + MAX_AGE_MS + 1)
    assert later.past == ()
    refuses(later, unread[-1], ReasonCode.EXPIRED)
    assert forget(later, NOW_MS * 2) is later


def test_skipped_keys_are_forgotten_by_time() -> None:
    one, other = members(2)
    one, early = say(one, b"early", seed=1)
    other, _ = hear(other, say(one, b"late", seed=2)[1])
    assert hear(forget(other, NOW_MS + MAX_AGE_MS), early)[1] == b"early"
    refuses(forget(other, NOW_MS + MAX_AGE_MS + 1), early, ReasonCode.ID_CONFLICT)


def test_skipped_keys_of_an_epoch_before_are_forgotten_by_time() -> None:
    one, other = members(2)
    one, early = say(one, b"early", seed=1)
    other, _ = hear(other, say(one, b"late", seed=2)[1])
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    taken = process(other, pending.message, POLICY, NOW_MS + 1000)
    assert isinstance(taken, Committed)
    assert taken.group is not None
    assert hear(forget(taken.group, NOW_MS + MAX_AGE_MS), early)[1] == b"early"
    later = forget(taken.group, NOW_MS + MAX_AGE_MS + 1)
    assert len(later.past) == 1
    refuses(later, early, ReasonCode.ID_CONFLICT)


def test_a_message_of_an_epoch_to_come_is_refused_for_now() -> None:
    one, other = members(2)
    pending = create_commit(one, CommitDraft(), POLICY, ENTROPY)
    message = say(pending.next_group, b"soon")[1]
    refuses(other, message, ReasonCode.SEQUENCE_GAP)
    assert hear(follow(other, pending.message), message)[1] == b"soon"


def test_a_handshake_message_of_an_epoch_before_is_refused() -> None:
    unread, other = several_epochs(1)
    one, _ = members(2)
    refuses(other, forge(one, Remove(1)), ReasonCode.EXPIRED)
    assert len(unread) == 1


def test_a_member_who_left_is_heard_for_what_it_said_before() -> None:
    groups = group_of(3)
    message = say(groups[2], b"before")[1]
    pending = create_commit(groups[0], CommitDraft(proposals=[Remove(2)]), POLICY, ENTROPY)
    other = follow(groups[1], pending.message)
    heard = process(other, message, POLICY, NOW_MS)
    assert isinstance(heard, Application)
    assert heard.sender.credential == BasicCredential(b"2")


# --- 12.1: proposals --------------------------------------------------------------------------------------
def test_12_1_a_proposal_that_comes_twice() -> None:
    one, other = members(2)
    message = forge(one, Remove(1), Forgery(private=False))
    refuses(kept_by(other, message), message, ReasonCode.ID_CONFLICT)


def test_12_1_more_proposals_than_an_epoch_may_have() -> None:
    one, other = members(2)
    for number in range(MAX_PROPOSALS):
        message = forge(one, Remove(1), Forgery(private=False), authenticated_data=bytes((number,)))
        other = kept_by(other, message)
    refuses(other, forge(one, Remove(1), Forgery(private=False)), ReasonCode.QUOTA_EXCEEDED)


def test_12_1_a_proposal_that_the_policy_refuses() -> None:
    one, other = members(2)
    policy = Refusing(proposal=lambda sent: sent.by_reference)
    with pytest.raises(RemoteProtocolError, match="policy refuses"):
        process(other, forge(one, Remove(1)), policy, NOW_MS)


def test_12_4_no_data_while_proposals_wait() -> None:
    one, other = members(2)
    one, message = propose(one, ProposalDraft(Remove(1)), ENTROPY)
    other = kept_by(other, message)
    for group in (one, other):
        declines(partial(say, group, b"data"), match="wait for a commit")


def test_12_1_6_an_external_init_of_a_member() -> None:
    one, other = members(2)
    refuses(other, forge(one, ExternalInit(bytes(1120))), match="may not make")


# --- 12.1.8: proposals from outside -----------------------------------------------------------------------
STRANGER = leaf_draft("stranger")


def group_with_external_sender() -> list[Group]:
    senders = (ExternalSender(STRANGER.signature.public, STRANGER.credential),)
    extension = Extension(ExtensionType.EXTERNAL_SENDERS, external_senders_bytes(senders))
    return group_of(3, extensions=(extension,))


def from_outside(sender: Sender = OUTSIDE, private: bytes = STRANGER.signature.private) -> Forgery:
    return Forgery(sender=sender, signature_private=private, private=False)


def test_12_1_8_a_known_external_sender_proposes() -> None:
    groups = group_with_external_sender()
    message = forge(groups[0], Remove(2), from_outside())
    one, other = kept_by(groups[0], message), kept_by(groups[1], message)
    references = [one.proposals[0].reference]
    pending = create_commit(one, CommitDraft(references=references), POLICY, ENTROPY)
    assert len(follow(other, pending.message).members()) == 2


def test_12_1_8_an_external_sender_that_the_group_does_not_know() -> None:
    groups = members(3)
    refuses(groups[1], forge(groups[0], Remove(2), from_outside()), match="does not know")
    known = group_with_external_sender()
    second = from_outside(Sender(SenderType.EXTERNAL, 1))
    refuses(known[1], forge(known[0], Remove(2), second), match="does not know")


def test_12_1_8_an_external_sender_with_another_key() -> None:
    groups = group_with_external_sender()
    lie = from_outside(private=groups[0].signature_private)
    refuses(groups[1], forge(groups[0], Remove(2), lie), match="does not hold")


def test_12_1_8_what_an_external_sender_must_not_propose() -> None:
    groups = group_with_external_sender()
    lie = from_outside()
    refuses(groups[1], forge(groups[0], ExternalInit(bytes(1120)), lie), match="may not send")
    refuses(groups[1], forge(groups[0], b"data", replace(lie, private=False)), match="in clear")


def test_12_1_8_a_new_member_proposes_itself() -> None:
    groups = members(3)
    newcomer = key_package("new")
    lie = from_outside(Sender(SenderType.NEW_MEMBER_PROPOSAL), newcomer.signature_private)
    message = forge(groups[0], Add(newcomer.package), lie)
    assert len(kept_by(groups[1], message).proposals) == 1
    wrong = replace(lie, signature_private=STRANGER.signature.private)
    refuses(groups[1], forge(groups[0], Add(newcomer.package), wrong), match="does not hold")
    refuses(groups[1], forge(groups[0], Remove(2), lie), match="may not send")
