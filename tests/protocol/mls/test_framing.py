# SPDX-License-Identifier: Apache-2.0
"""Single messages: outside data both ways, and every way in which one must not be taken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from protocol.mls.framing import (
    EXTERNAL_PROPOSAL_TYPES,
    SenderData,
    membership_tag,
    open_sender_data,
    protect_private,
    protect_public,
    sender_data_key,
    sign_content,
    unprotect_private,
    unprotect_public,
    verify_content,
)
from protocol.mls.secret_tree import MessageKey, RatchetKind, plant, take_key
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    Content,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    parse_mls_message,
)
from protocol.mls.structures.proposals import (
    Add,
    Commit,
    ExternalInit,
    GroupContextExtensions,
    Proposal,
    ProposalRef,
    ReInit,
    Remove,
    parse_commit,
    parse_proposal,
)
from protocol.mls.structures.vectors import octets_of
from protocol.mls.suites import PRODUCT_SUITE, KeyPair, Suite
from protocol.octets import Writer
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import key_package
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

PRIVATE, PUBLIC = WireFormat.PRIVATE_MESSAGE, WireFormat.PUBLIC_MESSAGE
COMMIT = Commit((Remove(1), ProposalRef(b"reference")))


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@dataclass(frozen=True)
class Epoch:
    """What members of an epoch have, with the signature keys of the sender at leaf 1."""

    suite: Suite
    context: GroupContext
    signer: KeyPair
    membership_key: bytes
    sender_data_secret: bytes
    encryption_secret: bytes

    def key(self, content_type: ContentType, generation: int = 0) -> MessageKey:
        application = content_type == ContentType.APPLICATION
        kind = RatchetKind.APPLICATION if application else RatchetKind.HANDSHAKE
        tree = plant(self.encryption_secret, 2)
        return take_key(self.suite, tree, 1, kind, generation=generation, now_ms=0)[1]

    def sign(
        self,
        content: Content,
        wire_format: WireFormat,
        sender: Sender | None = None,
    ) -> AuthenticatedContent:
        framed = FramedContent(
            group_id=self.context.group_id,
            epoch=self.context.epoch,
            sender=sender or Sender(SenderType.MEMBER, 1),
            authenticated_data=b"seen by all",
            content=content,
        )
        signature = sign_content(
            self.suite,
            framed,
            wire_format=wire_format,
            context=self.context,
            private_key=self.signer.private,
        )
        tag = b"tag" if isinstance(content, Commit) else None
        return AuthenticatedContent(wire_format, framed, AuthData(signature, tag))

    def protect(self, authenticated: AuthenticatedContent, padding: int = 0) -> PrivateMessage:
        return protect_private(
            self.suite,
            authenticated,
            key=self.key(authenticated.content.content_type),
            generation=0,
            sender_data_secret=self.sender_data_secret,
            padding=padding,
            entropy=SeededEntropy(1),
        )

    def unprotect(self, message: PrivateMessage) -> AuthenticatedContent:
        sender = open_sender_data(self.suite, message, self.sender_data_secret)
        assert sender.leaf_index == 1
        return unprotect_private(
            self.suite,
            message,
            sender,
            key=self.key(message.content_type, sender.generation),
            context=self.context,
            signature_key=self.signer.public,
        )

    def publish(self, authenticated: AuthenticatedContent) -> PublicMessage:
        return protect_public(
            self.suite, authenticated, context=self.context, membership_key=self.membership_key
        )

    def read(self, message: PublicMessage) -> AuthenticatedContent:
        return unprotect_public(
            self.suite,
            message,
            context=self.context,
            membership_key=self.membership_key,
            signature_key=self.signer.public,
        )


def our_epoch() -> Epoch:
    entropy = SeededEntropy("framing")
    suite = PRODUCT_SUITE
    return Epoch(
        suite=suite,
        context=GroupContext(suite.number, b"group", 7, b"tree", b"transcript"),
        signer=suite.signature.key_pair(entropy.random_bytes(32)),
        membership_key=entropy.random_bytes(48),
        sender_data_secret=entropy.random_bytes(48),
        encryption_secret=entropy.random_bytes(48),
    )


EPOCH = our_epoch()


# --- outside data -------------------------------------------------------------------------------------------
def outside_epoch(case: dict[str, Any]) -> Epoch:
    suite = SUITES[case["cipher_suite"]]
    signer = suite.signature.key_pair(raw(case["signature_priv"]))
    assert signer.public == raw(case["signature_pub"])
    return Epoch(
        suite=suite,
        context=GroupContext(
            cipher_suite=suite.number,
            group_id=raw(case["group_id"]),
            epoch=case["epoch"],
            tree_hash=raw(case["tree_hash"]),
            confirmed_transcript_hash=raw(case["confirmed_transcript_hash"]),
        ),
        signer=signer,
        membership_key=raw(case["membership_key"]),
        sender_data_secret=raw(case["sender_data_secret"]),
        encryption_secret=raw(case["encryption_secret"]),
    )


def check_private(epoch: Epoch, data: bytes, content: Content) -> None:
    message = parse_mls_message(data).body
    assert isinstance(message, PrivateMessage)
    assert epoch.unprotect(message).content.content == content
    for padding in (0, 1, 100):
        ours = epoch.protect(epoch.sign(content, PRIVATE), padding)
        assert epoch.unprotect(ours).content.content == content


def check_public(epoch: Epoch, data: bytes, content: Content) -> None:
    message = parse_mls_message(data).body
    assert isinstance(message, PublicMessage)
    assert epoch.read(message).content.content == content
    assert epoch.read(epoch.publish(epoch.sign(content, PUBLIC))).content.content == content


@pytest.mark.vectors
def test_message_protection() -> None:
    cases = vector_json("mls-implementations/message-protection.json")
    for case in cases:
        epoch = outside_epoch(case)
        proposal, commit = parse_proposal(raw(case["proposal"])), parse_commit(raw(case["commit"]))
        check_public(epoch, raw(case["proposal_pub"]), proposal)
        check_public(epoch, raw(case["commit_pub"]), commit)
        check_private(epoch, raw(case["proposal_priv"]), proposal)
        check_private(epoch, raw(case["commit_priv"]), commit)
        check_private(epoch, raw(case["application_priv"]), raw(case["application"]))
        with pytest.raises(LocalProtocolError):
            epoch.sign(raw(case["application"]), PUBLIC)
    assert sorted(case["cipher_suite"] for case in cases) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.vectors
def test_sender_data_keys() -> None:
    cases = vector_json("mls-implementations/secret-tree.json")
    for case in cases:
        one = case["sender_data"]
        found = sender_data_key(
            SUITES[case["cipher_suite"]], raw(one["sender_data_secret"]), raw(one["ciphertext"])
        )
        assert found == (raw(one["key"]), raw(one["nonce"]))
    assert len(cases) == 21


# --- private messages ---------------------------------------------------------------------------------------
def test_padding_is_as_long_as_asked_and_seen_by_nobody() -> None:
    lengths = [len(EPOCH.protect(EPOCH.sign(b"text", PRIVATE), size).ciphertext) for size in (0, 1, 512)]
    assert [length - lengths[0] for length in lengths] == [0, 1, 512]


def changed_private(change: Callable[[PrivateMessage], PrivateMessage]) -> PrivateMessage:
    return change(EPOCH.protect(EPOCH.sign(b"text", PRIVATE), 10))


def flipped(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


PRIVATE_CHANGES: dict[str, Callable[[PrivateMessage], PrivateMessage]] = {
    "group": lambda message: replace(message, group_id=b"Group"),
    "epoch": lambda message: replace(message, epoch=8),
    "content type": lambda message: replace(message, content_type=ContentType.PROPOSAL),
    "authenticated data": lambda message: replace(message, authenticated_data=b"Seen by all"),
    "no authenticated data": lambda message: replace(message, authenticated_data=b""),
    "sender data": lambda message: replace(
        message, encrypted_sender_data=flipped(message.encrypted_sender_data)
    ),
    "no sender data": lambda message: replace(message, encrypted_sender_data=b""),
    "start of ciphertext": lambda message: replace(message, ciphertext=flipped(message.ciphertext)),
    "end of ciphertext": lambda message: replace(
        message, ciphertext=flipped(message.ciphertext, len(message.ciphertext) - 1)
    ),
    "middle of ciphertext": lambda message: replace(message, ciphertext=flipped(message.ciphertext, 60)),
    "shorter": lambda message: replace(message, ciphertext=message.ciphertext[:-1]),
    "longer": lambda message: replace(message, ciphertext=message.ciphertext + b"\0"),
    "nothing": lambda message: replace(message, ciphertext=b""),
}


@pytest.mark.parametrize("name", PRIVATE_CHANGES)
def test_a_changed_private_message_is_refused(name: str) -> None:
    with pytest.raises(UntrustedError):
        EPOCH.unprotect(changed_private(PRIVATE_CHANGES[name]))


def test_sender_data_of_another_message_are_refused() -> None:
    first = EPOCH.protect(EPOCH.sign(b"first", PRIVATE))
    second = EPOCH.protect(EPOCH.sign(b"second", PRIVATE))
    with pytest.raises(UntrustedError):
        EPOCH.unprotect(replace(first, encrypted_sender_data=second.encrypted_sender_data))


def test_another_key_of_the_sender_does_not_open() -> None:
    message = EPOCH.protect(EPOCH.sign(b"text", PRIVATE))
    sender = open_sender_data(EPOCH.suite, message, EPOCH.sender_data_secret)
    for wrong_key, wrong_sender in (
        (EPOCH.key(ContentType.APPLICATION, 1), sender),
        (EPOCH.key(ContentType.COMMIT), sender),
        (EPOCH.key(ContentType.APPLICATION), replace(sender, reuse_guard=flipped(sender.reuse_guard))),
    ):
        with pytest.raises(UntrustedError):
            unprotect_private(
                EPOCH.suite,
                message,
                wrong_sender,
                key=wrong_key,
                context=EPOCH.context,
                signature_key=EPOCH.signer.public,
            )


def sealed_by_a_member(
    plaintext: bytes, content_type: ContentType = ContentType.APPLICATION
) -> PrivateMessage:
    """What a member with all keys, and without our code, can send."""
    key = EPOCH.key(content_type)
    guard = bytes(4)
    about = Writer().op(b"group").u64(7).u8(content_type).to_bytes()
    ciphertext = EPOCH.suite.aead_seal(key.key, key.nonce, about + Writer().op(b"").to_bytes(), plaintext)
    sender_key, sender_nonce = sender_data_key(EPOCH.suite, EPOCH.sender_data_secret, ciphertext)
    data = octets_of(SenderData(1, 0, guard))
    return PrivateMessage(
        group_id=b"group",
        epoch=7,
        content_type=content_type,
        authenticated_data=b"",
        encrypted_sender_data=EPOCH.suite.aead_seal(sender_key, sender_nonce, about, data),
        ciphertext=ciphertext,
    )


def plaintext_of(content: Content, signature: bytes | None = None, after: bytes = b"") -> bytes:
    framed = FramedContent(b"group", 7, Sender(SenderType.MEMBER, 1), b"", content)
    if signature is None:
        signature = sign_content(
            EPOCH.suite,
            framed,
            wire_format=PRIVATE,
            context=EPOCH.context,
            private_key=EPOCH.signer.private,
        )
    assert isinstance(content, bytes)
    return Writer().op(content).op(signature).raw(after).to_bytes()


def test_what_a_member_seals_by_hand_is_opened_like_ours() -> None:
    opened = EPOCH.unprotect(sealed_by_a_member(plaintext_of(b"text", after=bytes(7))))
    assert opened.content.content == b"text"


@pytest.mark.parametrize("after", [b"\1", b"\0\1", b"\1\0", bytes(100) + b"\x80"])
def test_padding_that_is_not_zeros_is_refused(after: bytes) -> None:
    with pytest.raises(MalformedError):
        EPOCH.unprotect(sealed_by_a_member(plaintext_of(b"text", after=after)))


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(63), b"\1" + bytes(63)])
def test_unsigned_content_is_refused(signature: bytes) -> None:
    """A member may not speak for another: membership alone shows nothing."""
    with pytest.raises(UntrustedError):
        EPOCH.unprotect(sealed_by_a_member(plaintext_of(b"text", signature)))


def test_content_signed_by_another_member_is_refused() -> None:
    other = EPOCH.suite.signature.key_pair(bytes(32))
    forged = replace(EPOCH, signer=other).sign(b"text", PRIVATE)
    with pytest.raises(UntrustedError):
        EPOCH.unprotect(EPOCH.protect(forged))


def test_a_signature_of_another_group_epoch_or_leaf_is_refused() -> None:
    genuine = EPOCH.sign(b"text", PRIVATE)
    contexts = (
        replace(EPOCH.context, tree_hash=b"Tree"),
        replace(EPOCH.context, confirmed_transcript_hash=b"Transcript"),
        replace(EPOCH.context, cipher_suite=1),
    )
    for context in contexts:
        with pytest.raises(UntrustedError):
            verify_content(EPOCH.suite, genuine, context=context, signature_key=EPOCH.signer.public)
    moved = replace(genuine, content=replace(genuine.content, sender=Sender(SenderType.MEMBER, 0)))
    with pytest.raises(UntrustedError):
        verify_content(EPOCH.suite, moved, context=EPOCH.context, signature_key=EPOCH.signer.public)


@pytest.mark.parametrize("plaintext", [b"", b"\0", b"\5text", b"\xff" * 20, bytes(100)])
def test_a_plaintext_that_is_no_content_is_refused(plaintext: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        EPOCH.unprotect(sealed_by_a_member(plaintext))


def test_sender_data_of_another_length_are_refused() -> None:
    message = EPOCH.protect(EPOCH.sign(b"text", PRIVATE))
    key, nonce = sender_data_key(EPOCH.suite, EPOCH.sender_data_secret, message.ciphertext)
    about = Writer().op(b"group").u64(7).u8(ContentType.APPLICATION).to_bytes()
    for size in (0, 11, 13):
        sealed = EPOCH.suite.aead_seal(key, nonce, about, bytes(size))
        with pytest.raises(MalformedError):
            EPOCH.unprotect(replace(message, encrypted_sender_data=sealed))


# --- public messages ----------------------------------------------------------------------------------------
PUBLIC_CHANGES: dict[str, Callable[[PublicMessage], PublicMessage]] = {
    "no membership tag": lambda message: replace(message, membership_tag=None),
    "empty membership tag": lambda message: replace(message, membership_tag=b""),
    "membership tag": lambda message: replace(message, membership_tag=flipped(message.membership_tag or b"")),
    "signature": lambda message: replace(
        message, auth=replace(message.auth, signature=flipped(message.auth.signature))
    ),
    "confirmation tag": lambda message: replace(message, auth=replace(message.auth, confirmation_tag=b"Tag")),
    "content": lambda message: replace(message, content=replace(message.content, content=Commit(()))),
    "leaf": lambda message: replace(
        message, content=replace(message.content, sender=Sender(SenderType.MEMBER, 0))
    ),
    "authenticated data": lambda message: replace(
        message, content=replace(message.content, authenticated_data=b"")
    ),
}


@pytest.mark.parametrize("name", PUBLIC_CHANGES)
def test_a_changed_public_message_is_refused(name: str) -> None:
    message = EPOCH.publish(EPOCH.sign(COMMIT, PUBLIC))
    assert EPOCH.read(message).content.content == COMMIT
    with pytest.raises(UntrustedError):
        EPOCH.read(PUBLIC_CHANGES[name](message))


def test_a_member_cannot_forge_another_with_the_membership_key_alone() -> None:
    forged = replace(EPOCH, signer=EPOCH.suite.signature.key_pair(bytes(32))).sign(COMMIT, PUBLIC)
    with pytest.raises(UntrustedError):
        EPOCH.read(EPOCH.publish(forged))


def test_a_membership_tag_covers_the_confirmation_tag() -> None:
    signed = EPOCH.sign(COMMIT, PUBLIC)
    other = replace(signed, auth=replace(signed.auth, confirmation_tag=b"other"))
    key, context = EPOCH.membership_key, EPOCH.context
    tags = [membership_tag(EPOCH.suite, one, context=context, membership_key=key) for one in (signed, other)]
    assert tags[0] != tags[1]


def test_a_message_of_another_group_or_epoch_is_refused() -> None:
    message = EPOCH.publish(EPOCH.sign(COMMIT, PUBLIC))
    for context in (replace(EPOCH.context, epoch=8), replace(EPOCH.context, group_id=b"Group")):
        with pytest.raises((MalformedError, UntrustedError)):
            replace(EPOCH, context=context).read(message)


# --- who may send what --------------------------------------------------------------------------------------
OUTSIDER = Sender(SenderType.EXTERNAL, 0)
JOINER = Sender(SenderType.NEW_MEMBER_COMMIT)
ASKER = Sender(SenderType.NEW_MEMBER_PROPOSAL)
FORBIDDEN: list[tuple[Sender, Content, WireFormat]] = [
    (Sender(SenderType.MEMBER, 1), b"text", PUBLIC),
    (Sender(SenderType.MEMBER, 1), b"text", WireFormat.WELCOME),
    (Sender(SenderType.MEMBER, 1), COMMIT, WireFormat.WELCOME),
    (OUTSIDER, b"text", PUBLIC),
    (OUTSIDER, b"text", PRIVATE),
    (OUTSIDER, Remove(1), PRIVATE),
    (OUTSIDER, COMMIT, PUBLIC),
    (OUTSIDER, ExternalInit(b"kem"), PUBLIC),
    (JOINER, Remove(1), PUBLIC),
    (JOINER, b"text", PUBLIC),
    (JOINER, COMMIT, PRIVATE),
    (ASKER, Remove(1), PUBLIC),
    (ASKER, COMMIT, PUBLIC),
    (ASKER, b"text", PUBLIC),
]


@pytest.mark.parametrize(("sender", "content", "wire_format"), FORBIDDEN)
def test_nobody_sends_what_is_not_his_to_send(
    sender: Sender, content: Content, wire_format: WireFormat
) -> None:
    with pytest.raises(LocalProtocolError):
        EPOCH.sign(content, wire_format, sender)
    framed = FramedContent(b"group", 7, sender, b"", content)
    tag = b"tag" if isinstance(content, Commit) else None
    with pytest.raises(MalformedError):
        verify_content(
            EPOCH.suite,
            AuthenticatedContent(wire_format, framed, AuthData(bytes(64), tag)),
            context=EPOCH.context,
            signature_key=EPOCH.signer.public,
        )


@pytest.mark.parametrize(
    "proposal",
    [Remove(1), GroupContextExtensions(()), ReInit(b"new", 1, 1)],
    ids=lambda one: type(one).__name__,
)
def test_an_external_sender_proposes_without_membership(proposal: Proposal) -> None:
    message = EPOCH.publish(EPOCH.sign(proposal, PUBLIC, OUTSIDER))
    assert message.membership_tag is None
    assert EPOCH.read(message).content.content == proposal
    assert proposal.proposal_type in EXTERNAL_PROPOSAL_TYPES


def test_a_client_asks_to_be_added() -> None:
    wanted = Add(key_package("newcomer").package)
    message = EPOCH.publish(EPOCH.sign(wanted, PUBLIC, ASKER))
    assert message.membership_tag is None
    assert EPOCH.read(message).content.content == wanted


def test_a_joiner_signs_the_context_and_an_external_sender_does_not() -> None:
    other = replace(EPOCH, context=replace(EPOCH.context, tree_hash=b"Tree"))
    with pytest.raises(UntrustedError):
        other.read(EPOCH.publish(EPOCH.sign(COMMIT, PUBLIC, JOINER)))
    other.read(EPOCH.publish(EPOCH.sign(Remove(1), PUBLIC, OUTSIDER)))


@pytest.mark.parametrize("change", [{"epoch": 8}, {"group_id": b"Group"}], ids=["epoch", "group"])
def test_a_proposal_from_outside_serves_in_one_group_and_epoch(change: dict[str, Any]) -> None:
    """Its signature does not cover the group context, so the fields themselves are compared."""
    other = replace(EPOCH, context=replace(EPOCH.context, **change))
    message = EPOCH.publish(EPOCH.sign(Remove(1), PUBLIC, OUTSIDER))
    with pytest.raises(MalformedError):
        other.read(message)
    framed = replace(message.content, **change)
    with pytest.raises(LocalProtocolError):
        sign_content(
            EPOCH.suite,
            framed,
            wire_format=PUBLIC,
            context=EPOCH.context,
            private_key=EPOCH.signer.private,
        )


def test_content_travels_only_as_it_was_signed() -> None:
    private, public = EPOCH.sign(COMMIT, PRIVATE), EPOCH.sign(COMMIT, PUBLIC)
    with pytest.raises(LocalProtocolError):
        EPOCH.publish(private)
    with pytest.raises(LocalProtocolError):
        EPOCH.protect(public)
    with pytest.raises(LocalProtocolError):
        EPOCH.protect(EPOCH.sign(COMMIT, PUBLIC, JOINER))
    for signed, other in ((private, PUBLIC), (public, PRIVATE)):
        with pytest.raises(UntrustedError):
            verify_content(
                EPOCH.suite,
                replace(signed, wire_format=other),
                context=EPOCH.context,
                signature_key=EPOCH.signer.public,
            )


def test_the_nonce_of_a_key_used_twice_differs() -> None:
    signed = EPOCH.sign(b"text", PRIVATE)
    messages = [
        protect_private(
            EPOCH.suite,
            signed,
            key=EPOCH.key(ContentType.APPLICATION),
            generation=0,
            sender_data_secret=EPOCH.sender_data_secret,
            padding=0,
            entropy=SeededEntropy(seed),
        )
        for seed in (1, 2)
    ]
    assert messages[0].ciphertext != messages[1].ciphertext
    assert [EPOCH.unprotect(message).content.content for message in messages] == [b"text", b"text"]
