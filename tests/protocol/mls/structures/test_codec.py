# SPDX-License-Identifier: Apache-2.0
"""The codec of RFC 9420: both ways for anything, one form for everything, and what must be refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.limits import MAX_MLS_LIST_ITEMS, MAX_MLS_VECTOR_BYTES
from protocol.mls.structures.extensions import (
    BasicCredential,
    CredentialType,
    Extension,
    RequiredCapabilities,
    X509Credential,
    external_pub_bytes,
    find_extension,
    parse_extensions,
    parse_external_pub,
    parse_required_capabilities,
    write_extensions,
)
from protocol.mls.structures.group_info import GroupContext, parse_group_context, parse_group_secrets
from protocol.mls.structures.key_packages import KeyPackage, parse_key_package
from protocol.mls.structures.messages import (
    AuthData,
    FramedContent,
    MlsMessage,
    PublicMessage,
    Sender,
    SenderType,
    parse_mls_message,
)
from protocol.mls.structures.nodes import (
    Capabilities,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    ParentNode,
    parse_leaf_node,
    parse_parent_node,
    parse_ratchet_tree,
)
from protocol.mls.structures.proposals import (
    Commit,
    ExternalPskId,
    PreSharedKey,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
    parse_commit,
    parse_proposal,
    write_proposal,
)
from protocol.mls.structures.vectors import octets_of, parse_whole, read_list, read_vector
from protocol.octets import Reader, Writer, op
from tests.support.mls_octets import afresh
from tests.support.mls_structures import KINDS

LEAF = LeafNode(
    encryption_key=b"encryption",
    signature_key=b"signature",
    credential=BasicCredential(b"identity"),
    capabilities=Capabilities(cipher_suites=(1,)),
    source=LeafNodeSource.KEY_PACKAGE,
    lifetime=Lifetime(1, 2),
    signature=b"signed",
)
PACKAGE = KeyPackage(1, b"init", LEAF, (), b"signed")
each_kind = pytest.mark.parametrize("name", KINDS)


def written(value: Any) -> bytes:
    writer = Writer()
    write_proposal(writer, value)
    return writer.to_bytes()


# --- both ways ----------------------------------------------------------------------------------------------
@each_kind
@settings(max_examples=40)
@given(st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    value = data.draw(kind.values)
    octets = kind.write(value)
    again = kind.parse(octets)
    assert again == value
    assert kind.write(again) == kind.write(afresh(again)) == octets


@each_kind
@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(name: str, data: bytes) -> None:
    kind = KINDS[name]
    try:
        value = kind.parse(data)
    except RemoteProtocolError:
        return
    assert kind.write(afresh(value)) == data


@each_kind
@settings(max_examples=40)
@given(st.data())
def test_what_is_changed_is_refused_or_another_value(name: str, data: st.DataObject) -> None:
    """There is one form of everything: other octets are never the same value."""
    kind = KINDS[name]
    value = data.draw(kind.values)
    octets = bytearray(kind.write(value))
    at = data.draw(st.integers(0, len(octets) - 1)) if octets else 0
    octets[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    changed = bytes(octets)
    try:
        other = kind.parse(changed)
    except RemoteProtocolError:
        return
    assert kind.write(afresh(other)) == changed
    assert (other == value) == (changed == kind.write(value))


@each_kind
@settings(max_examples=40)
@given(st.data())
def test_nothing_may_follow_and_nothing_may_be_missing(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    octets = kind.write(data.draw(kind.values))
    with pytest.raises(MalformedError):
        kind.parse(octets + b"\0")
    with pytest.raises((MalformedError, UnsupportedVersionError)):
        kind.parse(octets[: data.draw(st.integers(0, len(octets) - 1))])


# --- lengths ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 1, 62, 63, 64, 65, 16382, 16383, 16384, 16385])
def test_boundaries_of_lengths(size: int) -> None:
    message = MlsMessage(
        PublicMessage(
            FramedContent(bytes(size), 1, Sender(SenderType.MEMBER, 1), bytes(size), Remove(1)),
            AuthData(bytes(size)),
            bytes(size),
        )
    )
    octets = message.to_bytes()
    assert parse_mls_message(octets) == message
    prefix = 1 if size < 64 else 2 if size < 16384 else 4
    assert len(octets) == 4 + 4 * (prefix + size) + 8 + 5 + 1 + 6


@pytest.mark.parametrize("longer", ["4009", "80000009"])
def test_a_length_in_a_longer_form_is_refused_in_a_structure(longer: str) -> None:
    octets = LEAF.to_bytes()
    assert octets.startswith(op(b"encryption"))
    with pytest.raises(MalformedError) as refused:
        parse_leaf_node(bytes.fromhex(longer) + octets[1:])
    assert refused.value.code == ReasonCode.BAD_CONTENT


def test_a_structure_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(MalformedError) as refused:
        parse_mls_message(bytes(MAX_MLS_VECTOR_BYTES + 1))
    assert refused.value.code == ReasonCode.TOO_LARGE


@pytest.mark.parametrize("claimed", [MAX_MLS_VECTOR_BYTES + 1, (1 << 30) - 1])
def test_a_vector_that_claims_too_much_is_refused(claimed: int) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_leaf_node((claimed | 0x8000_0000).to_bytes(4, "big") + bytes(100))
    assert refused.value.code == ReasonCode.TOO_LARGE


def test_lists_have_a_bound() -> None:
    most = bytes(2 * MAX_MLS_LIST_ITEMS)
    assert len(parse_required_capabilities(op(most) + op(b"") + op(b"")).extensions) == MAX_MLS_LIST_ITEMS
    for data, parse in (
        (op(most + bytes(2)) + op(b"") + op(b""), parse_required_capabilities),
        (op(bytes(MAX_MLS_LIST_ITEMS + 1)), parse_ratchet_tree),
        (op(most) + op(most + bytes(2)), parse_required_capabilities),
        (op(b"\2\0" * (MAX_MLS_LIST_ITEMS + 1)) + b"\0", parse_commit),
    ):
        with pytest.raises(MalformedError) as refused:
            parse(data)
        assert refused.value.code == ReasonCode.TOO_LARGE


def test_an_item_must_end_with_its_list() -> None:
    for octets in (op(b"\0"), op(b"\0\1\0"), op(b"\0\1\0\2\0")):
        with pytest.raises(MalformedError):
            parse_whole(lambda reader: read_list(reader, Reader.u16), octets)
    with pytest.raises(MalformedError):
        parse_whole(lambda reader: read_list(reader, read_vector), op(b"\2a"))


# --- one of each kind ---------------------------------------------------------------------------------------
def test_an_extension_twice_is_refused() -> None:
    """Spec: RFC 9420 section 13.4."""
    once, other = octets_of(Extension(7, b"a")), octets_of(Extension(7, b"b"))
    for twice in (once + once, once + other):
        with pytest.raises(MalformedError):
            parse_extensions(op(twice))
    with pytest.raises(LocalProtocolError):
        write_extensions(Writer(), (Extension(7, b"a"), Extension(8, b""), Extension(7, b"b")))


@pytest.mark.parametrize("present", [2, 3, 0x80, 0xFF])
def test_a_value_neither_present_nor_absent_is_refused(present: int) -> None:
    """Spec: RFC 9420 section 2.1.1."""
    with pytest.raises(MalformedError):
        parse_commit(b"\0" + bytes((present,)))
    with pytest.raises(MalformedError):
        parse_group_secrets(b"\0" + bytes((present,)) + b"\0\0")
    with pytest.raises(MalformedError):
        parse_ratchet_tree(op(bytes((present,))))


@pytest.mark.parametrize("proposal_type", [0, 8, 0x0A0A, 0xEAEA, 0xF000, 0xFFFF])
def test_a_proposal_of_an_unknown_type_is_refused(proposal_type: int) -> None:
    """Spec: RFC 9420 sections 12.1 and 13.5."""
    with pytest.raises(MalformedError):
        parse_proposal(proposal_type.to_bytes(2, "big") + bytes(20))


@pytest.mark.parametrize("credential_type", [0, 3, 0x0A0A, 0xF000])
def test_a_credential_of_an_unknown_type_is_refused(credential_type: int) -> None:
    """Spec: RFC 9420 sections 5.3 and 13.5."""
    octets = LEAF.to_bytes()
    credential = b"\0\1" + op(b"identity")
    for content in (op(b"identity"), op(op(b"certificate"))):
        changed = octets.replace(credential, credential_type.to_bytes(2, "big") + content)
        assert changed != octets
        with pytest.raises(MalformedError):
            parse_leaf_node(changed)


def replaced(octets: bytes, at: int, byte: int) -> bytes:
    return octets[:at] + bytes((byte,)) + octets[at + 1 :]


def test_members_of_closed_lists_that_do_not_exist_are_refused() -> None:
    """Spec: RFC 9420 sections 6, 7.2, 7.8, 8.4 and 12.4."""
    external = written(PreSharedKey(ExternalPskId(b"psk", b"nonce")))
    resumption = written(PreSharedKey(ResumptionPskId(ResumptionUsage.BRANCH, b"group", 1, b"nonce")))
    leaf = LEAF.to_bytes()
    source_at = leaf.index(Lifetime(1, 2).not_before.to_bytes(8, "big")) - 1
    message = MlsMessage(
        PublicMessage(
            FramedContent(b"group", 1, Sender(SenderType.EXTERNAL, 1), b"", Remove(1)), AuthData(b"signed")
        )
    ).to_bytes()
    sender_at = 4 + 6 + 8
    commit = Commit((Remove(1),)).to_bytes()
    for octets, at, unknown, parse in (
        (external, 2, (0, 3, 255), parse_proposal),
        (resumption, 3, (0, 4, 255), parse_proposal),
        (leaf, source_at, (0, 4, 255), parse_leaf_node),
        (op(b"\1\1" + leaf), 3, (0, 3, 255), parse_ratchet_tree),
        (message, sender_at, (0, 5, 255), parse_mls_message),
        (message, sender_at + 6, (0, 4, 255), parse_mls_message),
        (message, 3, (0, 6, 255), parse_mls_message),
        (commit, 1, (0, 3, 255), parse_commit),
    ):
        assert parse(octets)
        for value in unknown:
            with pytest.raises(MalformedError):
                parse(replaced(octets, at, value))


def test_another_version_is_refused() -> None:
    """Spec: RFC 9420 sections 6, 8.1 and 10."""
    context = GroupContext(1, b"group", 1, b"tree", b"transcript")
    message = MlsMessage(PACKAGE)
    for octets, parse in (
        (context.to_bytes(), parse_group_context),
        (PACKAGE.to_bytes(), parse_key_package),
        (message.to_bytes(), parse_mls_message),
    ):
        assert parse(octets) in (context, PACKAGE, message)
        for version in (0, 2, 0xFF):
            with pytest.raises(UnsupportedVersionError):
                parse(replaced(octets, 1, version))
    inner = replaced(message.to_bytes(), 5, 2)
    with pytest.raises(UnsupportedVersionError):
        parse_mls_message(inner)


@pytest.mark.parametrize("leaves", [(1, 1), (2, 1), (0, 5, 5), (0, 2, 1)])
def test_unmerged_leaves_out_of_order_are_refused(leaves: tuple[int, ...]) -> None:
    """Spec: RFC 9420 section 7.1."""
    with pytest.raises(MalformedError):
        parse_parent_node(ParentNode(b"key", b"hash", leaves).to_bytes())


def test_unknown_numbers_in_capabilities_are_kept() -> None:
    """Spec: RFC 9420 sections 7.2 and 13.5 (GREASE)."""
    grease = (0x0A0A, 0xEAEA, 0xFAFA)
    leaf = afresh(LEAF)
    changed = LeafNode(
        **{
            **{name: getattr(leaf, name) for name in leaf.__dataclass_fields__},
            "capabilities": Capabilities((1, 2), grease, grease, grease, grease),
            "extensions": (Extension(0x0A0A, b"anything"),),
        }
    )
    assert parse_leaf_node(changed.to_bytes()) == changed


# --- what we may not write ----------------------------------------------------------------------------------
def test_structures_that_do_not_fit_together_are_not_written() -> None:
    for source, lifetime, parent_hash in (
        (LeafNodeSource.KEY_PACKAGE, None, None),
        (LeafNodeSource.KEY_PACKAGE, Lifetime(1, 2), b""),
        (LeafNodeSource.UPDATE, Lifetime(1, 2), None),
        (LeafNodeSource.UPDATE, None, b""),
        (LeafNodeSource.COMMIT, None, None),
        (LeafNodeSource.COMMIT, Lifetime(1, 2), b""),
    ):
        with pytest.raises(LocalProtocolError):
            LeafNode(
                encryption_key=b"",
                signature_key=b"",
                credential=BasicCredential(b""),
                capabilities=Capabilities(),
                source=source,
                lifetime=lifetime,
                parent_hash=parent_hash,
            ).to_bytes()
    member = Sender(SenderType.MEMBER, 1)
    for content, auth, tag in (
        (Commit(()), AuthData(b"signed"), b"tag"),
        (Remove(1), AuthData(b"signed"), None),
    ):
        with pytest.raises(LocalProtocolError):
            octets_of(PublicMessage(FramedContent(b"group", 1, member, b"", content), auth, tag))


def test_a_leaf_of_a_group_is_signed_with_its_place() -> None:
    """Spec: RFC 9420 section 7.2."""
    leaf = afresh(LEAF)
    assert leaf.tbs(None, None) == leaf.tbs(b"group", 1)
    in_group = LeafNode(
        encryption_key=b"encryption",
        signature_key=b"signature",
        credential=BasicCredential(b"identity"),
        capabilities=Capabilities(),
        source=LeafNodeSource.UPDATE,
        signature=b"signed",
    )
    assert in_group.tbs(b"group", 1) != in_group.tbs(b"group", 2) != in_group.tbs(b"Group", 2)
    for group_id, index in ((None, 1), (b"group", None)):
        with pytest.raises(LocalProtocolError):
            in_group.tbs(group_id, index)


def test_external_pub() -> None:
    assert parse_external_pub(external_pub_bytes(b"key")) == b"key"
    with pytest.raises(MalformedError):
        parse_external_pub(external_pub_bytes(b"key") + b"\0")


def test_secrets_are_not_shown() -> None:
    secrets = parse_group_secrets(op(b"joiner!") + b"\1" + op(b"path!!") + b"\0")
    assert "joiner!" not in repr(secrets)
    assert "path!!" not in repr(secrets)


def test_an_extension_is_found_by_its_type() -> None:
    extensions = (Extension(1, b"one"), Extension(2, b""), Extension(3, b"three"))
    assert [find_extension(extensions, kind) for kind in (1, 2, 3, 4)] == [b"one", b"", b"three", None]
    assert find_extension((), 1) is None


def test_a_credential_says_what_it_is() -> None:
    assert BasicCredential(b"identity").credential_type == CredentialType.BASIC
    assert X509Credential((b"first", b"second")).credential_type == CredentialType.X509


def test_required_capabilities_are_the_content_of_an_extension() -> None:
    required = RequiredCapabilities((1, 2), (), (3,))
    assert required.to_bytes() == bytes.fromhex("0400010002" + "00" + "020003")
    assert parse_required_capabilities(required.to_bytes()) == required


def test_a_structure_of_the_greatest_size_is_read() -> None:
    rest = MAX_MLS_VECTOR_BYTES - 4
    assert len(parse_external_pub(external_pub_bytes(bytes(rest)))) == rest
    with pytest.raises(MalformedError) as refused:
        parse_external_pub(external_pub_bytes(bytes(rest + 1)))
    assert refused.value.code == ReasonCode.TOO_LARGE


def test_what_was_read_is_not_written_again() -> None:
    """Signatures and hashes are over what came in; a changed copy is written from its fields."""
    leaf = parse_leaf_node(LEAF.to_bytes())
    assert leaf.to_bytes() is leaf.to_bytes()
    assert replace(leaf, signature=b"other").to_bytes() != leaf.to_bytes()
