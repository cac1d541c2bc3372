# SPDX-License-Identifier: Apache-2.0
"""What a member may send who has all keys and does not run our code: changed first, then signed and sealed.

1. Where others can tell, nothing of it is taken: a commit whose confirmation no longer fits, content under a
   signature for other content, padding that is not zeros.
2. Where a member only says something else (`loose`), it may be taken. Then everybody takes it alike, and
   whatever it asks is asked within the rules.
"""

from dataclasses import dataclass, replace
from functools import cache

from protocol.errors import LocalProtocolError
from protocol.mls import schedule
from protocol.mls.changes.rules import verify_key_package
from protocol.mls.commits import WELCOME_LABEL, CommitDraft, create_commit
from protocol.mls.framing import (
    CONTENT_LABEL,
    SenderData,
    open_sender_data,
    sender_data_key,
    unprotect_private,
)
from protocol.mls.group import Group
from protocol.mls.joining import join, open_group_info
from protocol.mls.processing import Proposed, process
from protocol.mls.secret_tree import MessageKey, RatchetKind, next_key
from protocol.mls.sending import draft_update, resumption_psk
from protocol.mls.structures.extensions import Extension, ExtensionType, RequiredCapabilities
from protocol.mls.structures.group_info import (
    GROUP_INFO_LABEL,
    EncryptedGroupSecrets,
    GroupInfo,
    Welcome,
    parse_group_info,
    parse_group_secrets,
)
from protocol.mls.structures.key_packages import KEY_PACKAGE_LABEL, KeyPackage, parse_key_package
from protocol.mls.structures.messages import (
    AuthenticatedContent,
    ContentType,
    MlsMessage,
    PrivateMessage,
    PublicMessage,
    WireFormat,
    parse_mls_message,
    write_content,
)
from protocol.mls.structures.nodes import LEAF_LABEL, LeafNode
from protocol.mls.structures.proposals import (
    Add,
    GroupContextExtensions,
    Proposal,
    Remove,
    write_proposal,
)
from protocol.mls.suites import HpkeCiphertext, decrypt_with_label, encrypt_with_label
from protocol.mls.tree.ratchet_tree import parse_tree
from protocol.octets import Writer, op
from tests.protocol.mls.mutations.outsiders import (
    SUITE,
    Target,
    commit_message,
    info_message,
    joined,
    key_package,
    meaning,
    once,
    stored,
    welcome_message,
    world,
)
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import NOW_MS, POLICY

AUTHENTICATED_DATA = b"why"


# --- messages by hand ---------------------------------------------------------------------------------------
def framed(group: Group, content_type: ContentType, content: bytes) -> bytes:
    writer = Writer().op(group.group_id).u64(group.epoch).u8(1).u32(group.own_leaf)
    return writer.op(AUTHENTICATED_DATA).u8(content_type).raw(content).to_bytes()


def signature(group: Group, wire_format: WireFormat, octets: bytes) -> bytes:
    tbs = Writer().u16(1).u16(wire_format).raw(octets).raw(group.context.to_bytes()).to_bytes()
    return SUITE.sign_with_label(group.signature_private, CONTENT_LABEL, tbs)


def auth_data(signed: bytes, tag: bytes | None) -> bytes:
    return op(signed) + (b"" if tag is None else op(tag))


def public(group: Group, content_type: ContentType, content: bytes, tag: bytes | None = None) -> bytes:
    octets = framed(group, content_type, content)
    octets += auth_data(signature(group, WireFormat.PUBLIC_MESSAGE, octets), tag)
    tbm = Writer().u16(1).u16(WireFormat.PUBLIC_MESSAGE)
    split = len(framed(group, content_type, content))
    tbm.raw(octets[:split]).raw(group.context.to_bytes()).raw(octets[split:])
    membership = SUITE.mac(group.secrets.membership_key, tbm.to_bytes())
    return Writer().u16(1).u16(WireFormat.PUBLIC_MESSAGE).raw(octets).op(membership).to_bytes()


def sealed(group: Group, content_type: ContentType, plaintext: bytes) -> bytes:
    kind = RatchetKind.APPLICATION if content_type is ContentType.APPLICATION else RatchetKind.HANDSHAKE
    _, generation, key = next_key(SUITE, group.secret_tree, group.own_leaf, kind)
    about = Writer().op(group.group_id).u64(group.epoch).u8(content_type).to_bytes()
    ciphertext = SUITE.aead_seal(key.key, key.nonce, about + op(AUTHENTICATED_DATA), plaintext)
    sender = Writer()
    SenderData(group.own_leaf, generation, bytes(4)).write(sender)
    data_key, data_nonce = sender_data_key(SUITE, group.secrets.sender_data_secret, ciphertext)
    data = SUITE.aead_seal(data_key, data_nonce, about, sender.to_bytes())
    message = PrivateMessage(group.group_id, group.epoch, content_type, AUTHENTICATED_DATA, data, ciphertext)
    return MlsMessage(message).to_bytes()


def private(group: Group, content_type: ContentType, content: bytes, tag: bytes | None = None) -> bytes:
    signed = signature(group, WireFormat.PRIVATE_MESSAGE, framed(group, content_type, content))
    return sealed(group, content_type, content + auth_data(signed, tag) + bytes(5))


def content_of(authenticated: AuthenticatedContent) -> bytes:
    writer = Writer()
    write_content(writer, authenticated.content.content)
    return writer.to_bytes()


def opened(group: Group, message: bytes) -> AuthenticatedContent:
    """Open a private handshake message of member 0, who sends it as his first."""
    body = parse_mls_message(message).body
    assert isinstance(body, PrivateMessage)
    sender = open_sender_data(SUITE, body, group.secrets.sender_data_secret)
    key: MessageKey = next_key(SUITE, group.secret_tree, 0, RatchetKind.HANDSHAKE)[2]
    leaf = group.tree.leaf(0)
    assert leaf is not None
    return unprotect_private(
        SUITE, body, sender, key=key, context=group.context, signature_key=leaf.signature_key
    )


# --- to members ---------------------------------------------------------------------------------------------
def _draft(*, private_message: bool) -> CommitDraft:
    return CommitDraft(
        proposals=[Add(key_package("newcomer").package), Remove(2)],
        private=private_message,
        authenticated_data=AUTHENTICATED_DATA,
    )


def _private_commit() -> Target:
    one, other, _ = world().members
    commit = opened(other, commit_message(_draft(private_message=True)))
    tag = commit.auth.confirmation_tag

    def take(data: bytes) -> bytes:
        message = private(one, ContentType.COMMIT, data, tag)
        return meaning(process(other, message, POLICY, NOW_MS))

    return Target(content_of(commit), take, lambda: stored(other))


def _public_commit() -> Target:
    one, other, _ = world().members
    body = parse_mls_message(commit_message(_draft(private_message=False))).body
    assert isinstance(body, PublicMessage)
    tag = body.auth.confirmation_tag
    commit = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, body.content, body.auth)

    def take(data: bytes) -> bytes:
        return meaning(process(other, public(one, ContentType.COMMIT, data, tag), POLICY, NOW_MS))

    return Target(content_of(commit), take, lambda: stored(other))


def _plaintext(content_type: ContentType, content: bytes, tag: bytes | None) -> Target:
    """What is encrypted, as a whole: content, signature, tag, padding."""
    one, other, _ = world().members
    signed = signature(one, WireFormat.PRIVATE_MESSAGE, framed(one, content_type, content))

    def take(data: bytes) -> bytes:
        return meaning(process(other, sealed(one, content_type, data), POLICY, NOW_MS))

    octets = content + auth_data(signed, tag) + bytes(40)
    return Target(octets, take, lambda: stored(other), same=take(octets))


def _plaintext_of_a_commit() -> Target:
    commit = opened(world().members[1], commit_message(_draft(private_message=True)))
    return _plaintext(ContentType.COMMIT, content_of(commit), commit.auth.confirmation_tag)


def _update() -> Proposal:
    return draft_update(world().members[0], None, SeededEntropy("update"))[1]


def _extensions() -> Proposal:
    needed = RequiredCapabilities(credentials=(1,)).to_bytes()
    kept = world().members[0].context.extensions
    return GroupContextExtensions((*kept, Extension(ExtensionType.REQUIRED_CAPABILITIES, needed)))


def _resumption() -> Proposal:
    group = world().members[0]
    return resumption_psk(group.group_id, group.epoch - 1, suite=SUITE, entropy=SeededEntropy("psk"))


def _proposal(proposal: Proposal) -> Target:
    """What is proposed is taken or not; if it is, everybody commits to it alike or nobody does."""
    one, other, third = world().members
    writer = Writer()
    write_proposal(writer, proposal)

    def take(data: bytes) -> bytes:
        message = public(one, ContentType.PROPOSAL, data)
        taken = process(other, message, POLICY, NOW_MS)
        assert isinstance(taken, Proposed)
        draft = CommitDraft(references=[taken.reference])
        try:
            pending = create_commit(taken.group, draft, POLICY, SeededEntropy("commit"))
        except LocalProtocolError:
            return b"proposed and not committed"
        knowing = process(third, message, POLICY, NOW_MS).group
        assert knowing is not None
        follow_or_leave(knowing, pending.message, pending.next_group)
        return b"committed"

    return Target(writer.to_bytes(), take, lambda: stored(other) + stored(third), loose=True)


def follow_or_leave(group: Group, message: bytes, next_group: Group) -> None:
    """Whoever stays comes to the epoch that the committer came to."""
    after = process(group, message, POLICY, NOW_MS).group
    if after is not None:
        assert after.epoch_authenticator == next_group.epoch_authenticator
        assert after.context == next_group.context


def _added_package() -> Target:
    """A key package that its owner made in any way he likes: who adds it and who follows judge alike."""
    one, other, _ = world().members
    secrets = key_package("strange")
    group_state = stored(one) + stored(other)

    def signed_again(data: bytes) -> KeyPackage:
        package = parse_key_package(data)
        leaf: LeafNode = replace(package.leaf_node, signature=b"")
        leaf_signature = SUITE.sign_with_label(secrets.signature_private, LEAF_LABEL, leaf.tbs(b"", 0))
        unsigned = replace(package, leaf_node=replace(leaf, signature=leaf_signature), signature=b"")
        own = SUITE.sign_with_label(secrets.signature_private, KEY_PACKAGE_LABEL, unsigned.tbs())
        return replace(unsigned, signature=own)

    def take(data: bytes) -> bytes:
        package = signed_again(data)
        verify_key_package(SUITE, package)
        try:
            pending = create_commit(one, CommitDraft(proposals=[Add(package)]), POLICY, SeededEntropy("add"))
        except LocalProtocolError:
            return b"not added"
        follow_or_leave(other, pending.message, pending.next_group)
        return b"added"

    return Target(secrets.package.to_bytes(), take, lambda: group_state, loose=True)


# --- to joiners ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Opened:
    """A Welcome as its maker knows it."""

    welcome: Welcome
    secrets: bytes
    joiner_secret: bytes
    key: bytes
    nonce: bytes
    info: GroupInfo


@cache
def opened_welcome() -> Opened:
    body = parse_mls_message(welcome_message(with_tree=True)).body
    assert isinstance(body, Welcome)
    told = decrypt_with_label(
        SUITE,
        key_package("joiner").init_private,
        label=WELCOME_LABEL,
        context=body.encrypted_group_info,
        encrypted=body.secrets[0].encrypted,
    )
    joiner_secret = parse_group_secrets(told).joiner_secret
    secret = schedule.welcome_secret(SUITE, joiner_secret, schedule.psk_secret(SUITE, ()))
    key, nonce = schedule.welcome_key(SUITE, secret)
    info = parse_group_info(SUITE.aead_open(key, nonce, b"", body.encrypted_group_info))
    return Opened(body, told, joiner_secret, key, nonce, info)


def welcome_of(secrets: bytes, info: bytes) -> bytes:
    """Seal secrets and group information to the joiner."""
    known = opened_welcome()
    encrypted_info = SUITE.aead_seal(known.key, known.nonce, b"", info)
    encrypted: HpkeCiphertext = encrypt_with_label(
        SUITE,
        key_package("joiner").package.init_key,
        label=WELCOME_LABEL,
        context=encrypted_info,
        plaintext=secrets,
        entropy=SeededEntropy("to the joiner"),
    )
    entry = EncryptedGroupSecrets(known.welcome.secrets[0].new_member, encrypted)
    return MlsMessage(Welcome(SUITE.number, (entry,), encrypted_info)).to_bytes()


def _join(welcome: bytes) -> bytes:
    return joined(join(SUITE, welcome, key_package("joiner"), POLICY))


def sign_info(tbs: bytes) -> bytes:
    signed = SUITE.sign_with_label(world().members[0].signature_private, GROUP_INFO_LABEL, tbs)
    return tbs + op(signed)


def _secrets_of_a_welcome() -> Target:
    known = opened_welcome()

    def take(data: bytes) -> bytes:
        return _join(welcome_of(data, known.info.to_bytes()))

    return Target(known.secrets, take, lambda: known.secrets, same=take(known.secrets))


def _info_of_a_welcome() -> Target:
    """Whatever else the signer says, a joiner comes to the group that the confirmation confirms."""
    known = opened_welcome()

    def take(data: bytes) -> bytes:
        return _join(welcome_of(known.secrets, sign_info(data)))

    octets = known.info.tbs()
    return Target(octets, take, lambda: known.secrets, same=take(octets))


def _tree_of_a_signer() -> Target:
    """The signer vouches for any tree, with the right hash and the right confirmation for it."""
    known = opened_welcome()
    tree = next(one.data for one in known.info.extensions if one.extension_type == ExtensionType.RATCHET_TREE)

    def take(data: bytes) -> bytes:
        context = replace(known.info.group_context, tree_hash=parse_tree(SUITE, data).tree_hash())
        beginning = schedule.begin_epoch(
            SUITE, known.joiner_secret, schedule.psk_secret(SUITE, ()), context.to_bytes()
        )
        tag = SUITE.mac(beginning.confirmation_key, context.confirmed_transcript_hash)
        extensions = (Extension(ExtensionType.RATCHET_TREE, data),)
        info = GroupInfo(context, extensions, tag, known.info.signer)
        return _join(welcome_of(known.secrets, sign_info(info.tbs())))

    return Target(tree, take, lambda: known.secrets, loose=True)


def _info_for_outsiders() -> Target:
    body = parse_mls_message(info_message()).body
    assert isinstance(body, GroupInfo)
    head = Writer().u16(1).u16(WireFormat.GROUP_INFO).to_bytes()
    return Target(
        octets=body.tbs(),
        take=lambda data: open_group_info(SUITE, head + sign_info(data)).info.to_bytes(),
        state=lambda: b"",
        loose=True,
    )


INSIDERS = once(
    {
        "content_of_a_private_commit": _private_commit,
        "content_of_a_public_commit": _public_commit,
        "plaintext_of_a_commit": _plaintext_of_a_commit,
        "plaintext_of_application_data": lambda: _plaintext(ContentType.APPLICATION, op(b"text" * 9), None),
        "proposal_to_update": lambda: _proposal(_update()),
        "proposal_to_remove": lambda: _proposal(Remove(2)),
        "proposal_of_extensions": lambda: _proposal(_extensions()),
        "proposal_of_a_key": lambda: _proposal(_resumption()),
        "added_package": _added_package,
        "secrets_of_a_welcome": _secrets_of_a_welcome,
        "info_of_a_welcome": _info_of_a_welcome,
        "tree_of_a_signer": _tree_of_a_signer,
        "info_for_outsiders": _info_for_outsiders,
    }
)
"""By name; made when they are wanted."""


@cache
def inner_corpus() -> tuple[bytes, ...]:
    """Return all octets that are meant inside, to take pieces from."""
    return tuple(make().octets for make in INSIDERS.values())
