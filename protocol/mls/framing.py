# SPDX-License-Identifier: Apache-2.0
"""Signing, encrypting and opening single messages, with keys that the caller names. No group, no ratchet.

1. What is opened is verified: no function here returns content whose signature was not checked.
2. Who may send what is checked with the signature: application data is a member's, in a private message
   only; an external sender and a client that asks to be added send proposals; who joins by commit, commits.
3. Content belongs to the group and epoch whose context the caller gives, or is refused.
4. Padding is zeros; the nonce of a message is changed by four random bytes, in case a state was used twice.
5. Tags are compared in constant time; whatever fails in opening is one and the same error.
"""

import hmac
from dataclasses import dataclass, field

from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.interfaces import Entropy
from protocol.mls.secret_tree import MessageKey
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    read_content,
    write_content,
)
from protocol.mls.structures.nodes import PROTOCOL_VERSION
from protocol.mls.structures.proposals import Add, ProposalType
from protocol.mls.structures.vectors import malformed, octets_of, parse_whole
from protocol.mls.suites import Suite
from protocol.octets import Reader, Writer

CONTENT_LABEL = "FramedContentTBS"
EXTERNAL_PROPOSAL_TYPES = frozenset(
    {
        ProposalType.ADD,
        ProposalType.REMOVE,
        ProposalType.PSK,
        ProposalType.REINIT,
        ProposalType.GROUP_CONTEXT_EXTENSIONS,
    }
)
"""What an external sender may propose (RFC 9420 section 12.1.8)."""
_REUSE_GUARD_BYTES = 4
_WITH_CONTEXT = (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT)


# --- signatures ---------------------------------------------------------------------------------------------
def content_tbs(wire_format: WireFormat, content: FramedContent, context: GroupContext) -> bytes:
    """Return what the sender of content signs.

    Args:
        wire_format: how the content travels.
        content: what is said.
        context: of the group and epoch; signed by those who see it.

    Spec: RFC 9420 section 6.1.
    """
    start = PROTOCOL_VERSION.to_bytes(2, "big") + wire_format.to_bytes(2, "big")
    if content.sender.sender_type in _WITH_CONTEXT:
        return start + content.to_bytes() + context.to_bytes()
    return start + content.to_bytes()


def sign_content(
    suite: Suite,
    content: FramedContent,
    *,
    wire_format: WireFormat,
    context: GroupContext,
    private_key: bytes,
) -> bytes:
    """Sign content for the way it will travel.

    Raises:
        LocalProtocolError: content that this sender may not send, or of another group or epoch.

    Spec: RFC 9420 section 6.1.
    """
    problem = _problem(wire_format, content, context)
    if problem:
        raise LocalProtocolError(problem, code=ReasonCode.BAD_CONTENT)
    return suite.sign_with_label(private_key, CONTENT_LABEL, content_tbs(wire_format, content, context))


def verify_content(
    suite: Suite, authenticated: AuthenticatedContent, *, context: GroupContext, signature_key: bytes
) -> None:
    """Verify that content was signed by a key, and that its sender may send it.

    Args:
        suite: of the group.
        authenticated: what is said.
        context: of the group and epoch.
        signature_key: of the leaf, external sender or new member that the content names as its sender.

    Raises:
        MalformedError: content that this sender may not send, or of another group or epoch.
        UntrustedError: the signature does not hold.

    Spec: RFC 9420 section 6.1.
    """
    content = authenticated.content
    problem = _problem(authenticated.wire_format, content, context)
    if problem:
        raise malformed(problem)
    tbs = content_tbs(authenticated.wire_format, content, context)
    suite.verify_with_label(signature_key, CONTENT_LABEL, tbs, authenticated.auth.signature)


def _problem(wire_format: WireFormat, content: FramedContent, context: GroupContext) -> str:
    """Say what is wrong between content, sender and way, or nothing.

    Spec: RFC 9420 sections 6, 6.1 and 12.1.8.
    """
    sender_type, content_type = content.sender.sender_type, content.content_type
    if content.group_id != context.group_id or content.epoch != context.epoch:
        return "content of another group or epoch"
    if wire_format not in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        return "framed content in another kind of message"
    if content_type == ContentType.APPLICATION and wire_format != WireFormat.PRIVATE_MESSAGE:
        return "application data in clear"
    if sender_type == SenderType.MEMBER:
        return ""
    if wire_format != WireFormat.PUBLIC_MESSAGE:
        return "a private message of somebody outside"
    return "" if _outsider_may_send(content) else "content that its sender may not send"


def _outsider_may_send(content: FramedContent) -> bool:
    sender_type, said = content.sender.sender_type, content.content
    if sender_type == SenderType.NEW_MEMBER_COMMIT:
        return content.content_type == ContentType.COMMIT
    if sender_type == SenderType.NEW_MEMBER_PROPOSAL:
        return isinstance(said, Add)
    return (
        content.content_type == ContentType.PROPOSAL
        and getattr(said, "proposal_type", None) in EXTERNAL_PROPOSAL_TYPES
    )


# --- public messages ----------------------------------------------------------------------------------------
def membership_tag(
    suite: Suite, authenticated: AuthenticatedContent, *, context: GroupContext, membership_key: bytes
) -> bytes:
    """Return what shows that the sender of a public message is a member.

    Spec: RFC 9420 section 6.2.
    """
    content = authenticated.content
    writer = Writer().raw(content_tbs(authenticated.wire_format, content, context))
    authenticated.auth.write(writer, content.content_type)
    return suite.mac(membership_key, writer.to_bytes())


def protect_public(
    suite: Suite, authenticated: AuthenticatedContent, *, context: GroupContext, membership_key: bytes
) -> PublicMessage:
    """Put signed content into a public message.

    Args:
        suite: of the group.
        authenticated: signed for this way.
        context: of the group and epoch.
        membership_key: of the epoch; not used if the sender is no member.

    Raises:
        LocalProtocolError: content that may not travel so.

    Spec: RFC 9420 section 6.2.
    """
    content = authenticated.content
    if authenticated.wire_format != WireFormat.PUBLIC_MESSAGE or _problem(
        authenticated.wire_format, content, context
    ):
        raise LocalProtocolError("content that may not travel in clear", code=ReasonCode.BAD_CONTENT)
    if content.sender.sender_type != SenderType.MEMBER:
        return PublicMessage(content, authenticated.auth)
    tag = membership_tag(suite, authenticated, context=context, membership_key=membership_key)
    return PublicMessage(content, authenticated.auth, tag)


def unprotect_public(
    suite: Suite,
    message: PublicMessage,
    *,
    context: GroupContext,
    membership_key: bytes,
    signature_key: bytes,
) -> AuthenticatedContent:
    """Take verified content out of a public message.

    Args:
        suite: of the group.
        message: what came in.
        context: of the group and epoch.
        membership_key: of the epoch; not used if the sender is no member.
        signature_key: of the leaf, external sender or new member that the message names as its sender.

    Raises:
        MalformedError: content that this sender may not send, or of another group or epoch.
        UntrustedError: membership tag or signature do not hold.

    Spec: RFC 9420 section 6.2.
    """
    authenticated = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, message.content, message.auth)
    if message.content.sender.sender_type == SenderType.MEMBER:
        tag = membership_tag(suite, authenticated, context=context, membership_key=membership_key)
        if not hmac.compare_digest(tag, message.membership_tag or b""):
            raise UntrustedError("a membership tag does not hold")
    verify_content(suite, authenticated, context=context, signature_key=signature_key)
    return authenticated


# --- private messages ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SenderData:
    """Who sent a private message, and with which key of his.

    Attributes:
        leaf_index: of the sender; whether somebody is there, the caller must check.
        generation: of the key.
        reuse_guard: 4 bytes that change the nonce.

    Spec: RFC 9420 section 6.3.2.
    """

    leaf_index: int
    generation: int
    reuse_guard: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u32(self.leaf_index).u32(self.generation).raw(self.reuse_guard)

    @classmethod
    def read(cls, reader: Reader) -> "SenderData":
        """Read all fields in order."""
        return cls(reader.u32(), reader.u32(), reader.raw(_REUSE_GUARD_BYTES))


def protect_private(
    suite: Suite,
    authenticated: AuthenticatedContent,
    *,
    key: MessageKey,
    generation: int,
    sender_data_secret: bytes,
    padding: int,
    entropy: Entropy,
) -> PrivateMessage:
    """Encrypt signed content of a member.

    Args:
        suite: of the group.
        authenticated: signed for this way.
        key: of the sender, never used before.
        generation: of the key.
        sender_data_secret: of the epoch.
        padding: how many zeros follow the content.
        entropy: draws the reuse guard.

    Raises:
        LocalProtocolError: content that was signed for another way.

    Spec: RFC 9420 section 6.3.
    """
    content = authenticated.content
    is_member = content.sender.sender_type == SenderType.MEMBER
    if authenticated.wire_format != WireFormat.PRIVATE_MESSAGE or not is_member:
        raise LocalProtocolError("content that was signed for another way", code=ReasonCode.BAD_CONTENT)
    data = SenderData(content.sender.index, generation, entropy.random_bytes(_REUSE_GUARD_BYTES))
    writer = Writer()
    write_content(writer, content.content)
    authenticated.auth.write(writer, content.content_type)
    plaintext = writer.raw(bytes(padding)).to_bytes()
    about = _about(content.group_id, content.epoch, content.content_type)
    aad = about + Writer().op(content.authenticated_data).to_bytes()
    ciphertext = suite.aead_seal(key.key, _guarded(key.nonce, data.reuse_guard), aad, plaintext)
    sender_key, sender_nonce = sender_data_key(suite, sender_data_secret, ciphertext)
    return PrivateMessage(
        group_id=content.group_id,
        epoch=content.epoch,
        content_type=content.content_type,
        authenticated_data=content.authenticated_data,
        encrypted_sender_data=suite.aead_seal(sender_key, sender_nonce, about, octets_of(data)),
        ciphertext=ciphertext,
    )


def open_sender_data(suite: Suite, message: PrivateMessage, sender_data_secret: bytes) -> SenderData:
    """Read who sent a private message; nothing is verified by it but that he was in the epoch.

    Raises:
        UntrustedError: it was encrypted in another epoch, or changed.
        MalformedError: it holds something else.

    Spec: RFC 9420 section 6.3.2.
    """
    key, nonce = sender_data_key(suite, sender_data_secret, message.ciphertext)
    about = _about(message.group_id, message.epoch, message.content_type)
    return parse_whole(SenderData.read, suite.aead_open(key, nonce, about, message.encrypted_sender_data))


def unprotect_private(
    suite: Suite,
    message: PrivateMessage,
    sender_data: SenderData,
    *,
    key: MessageKey,
    context: GroupContext,
    signature_key: bytes,
) -> AuthenticatedContent:
    """Take verified content out of a private message.

    Args:
        suite: of the group.
        message: what came in.
        sender_data: from `open_sender_data`.
        key: of the leaf and generation that the sender data name.
        context: of the group and epoch.
        signature_key: of the leaf that the sender data name.

    Raises:
        MalformedError: content of another group or epoch, or padding that is not zeros.
        UntrustedError: it cannot be opened, or the signature does not hold.

    Spec: RFC 9420 section 6.3.1.
    """
    about = _about(message.group_id, message.epoch, message.content_type)
    aad = about + Writer().op(message.authenticated_data).to_bytes()
    nonce = _guarded(key.nonce, sender_data.reuse_guard)
    reader = Reader(suite.aead_open(key.key, nonce, aad, message.ciphertext))
    said = read_content(reader, message.content_type)
    auth = AuthData.read(reader, message.content_type)
    if reader.raw(reader.remaining).lstrip(b"\0"):
        raise malformed("padding that is not zeros")
    content = FramedContent(
        group_id=message.group_id,
        epoch=message.epoch,
        sender=Sender(SenderType.MEMBER, sender_data.leaf_index),
        authenticated_data=message.authenticated_data,
        content=said,
    )
    authenticated = AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, content, auth)
    verify_content(suite, authenticated, context=context, signature_key=signature_key)
    return authenticated


def sender_data_key(suite: Suite, sender_data_secret: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce that hide who sent a message.

    Spec: RFC 9420 section 6.3.2.
    """
    sample = ciphertext[: suite.hash_bytes]
    key = suite.expand_with_label(sender_data_secret, "key", sample, suite.key_bytes)
    return key, suite.expand_with_label(sender_data_secret, "nonce", sample, suite.nonce_bytes)


def _about(group_id: bytes, epoch: int, content_type: ContentType) -> bytes:
    """Return the fields of a private message that both its encryptions are bound to."""
    return Writer().op(group_id).u64(epoch).u8(content_type).to_bytes()


def _guarded(nonce: bytes, reuse_guard: bytes) -> bytes:
    head = bytes(one ^ other for one, other in zip(nonce, reuse_guard, strict=False))
    return head + nonce[_REUSE_GUARD_BYTES:]
