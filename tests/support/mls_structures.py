# SPDX-License-Identifier: Apache-2.0
"""Any structure of RFC 9420, drawn by Hypothesis, with how it is read and written."""

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from protocol.mls.framing import SenderData
from protocol.mls.structures.extensions import (
    BasicCredential,
    Credential,
    Extension,
    Extensions,
    ExternalSender,
    RequiredCapabilities,
    X509Credential,
    external_senders_bytes,
    parse_extensions,
    parse_external_senders,
    parse_required_capabilities,
    write_extensions,
)
from protocol.mls.structures.group_info import (
    EncryptedGroupSecrets,
    GroupContext,
    GroupInfo,
    GroupSecrets,
    Welcome,
    parse_group_context,
    parse_group_info,
    parse_group_secrets,
)
from protocol.mls.structures.key_packages import KeyPackage, parse_key_package
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    Content,
    ContentType,
    FramedContent,
    MlsMessage,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    parse_authenticated_content,
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
    ratchet_tree_bytes,
)
from protocol.mls.structures.proposals import (
    Add,
    Commit,
    ExternalInit,
    ExternalPskId,
    GroupContextExtensions,
    PreSharedKey,
    ProposalRef,
    ReInit,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
    Update,
    UpdatePath,
    UpdatePathNode,
    parse_commit,
    parse_proposal,
    parse_update_path,
    write_proposal,
)
from protocol.mls.structures.vectors import octets_of, parse_whole
from protocol.mls.suites import HpkeCiphertext
from protocol.octets import Writer

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
OCTETS = st.binary(max_size=70)
NUMBERS = st.lists(U16, max_size=3).map(tuple)


def tuples_of(items: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=most).map(tuple)


EXTENSIONS: st.SearchStrategy[Extensions] = st.lists(
    st.builds(Extension, U16, OCTETS), max_size=3, unique_by=lambda one: one.extension_type
).map(tuple)
CREDENTIALS: st.SearchStrategy[Credential] = st.one_of(
    st.builds(BasicCredential, OCTETS), st.builds(X509Credential, tuples_of(OCTETS))
)
CAPABILITIES = st.builds(Capabilities, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


def leaf_nodes(source: LeafNodeSource) -> st.SearchStrategy[LeafNode]:
    return st.builds(
        LeafNode,
        encryption_key=OCTETS,
        signature_key=OCTETS,
        credential=CREDENTIALS,
        capabilities=CAPABILITIES,
        source=st.just(source),
        lifetime=st.builds(Lifetime, U64, U64) if source == LeafNodeSource.KEY_PACKAGE else st.none(),
        parent_hash=OCTETS if source == LeafNodeSource.COMMIT else st.none(),
        extensions=EXTENSIONS,
        signature=OCTETS,
    )


LEAF_NODES = st.one_of(*(leaf_nodes(source) for source in LeafNodeSource))
PARENT_NODES = st.builds(
    ParentNode, OCTETS, OCTETS, st.sets(U32, max_size=4).map(lambda leaves: tuple(sorted(leaves)))
)
TREES = tuples_of(st.one_of(st.none(), LEAF_NODES, PARENT_NODES), 5)
KEY_PACKAGES = st.builds(KeyPackage, U16, OCTETS, LEAF_NODES, EXTENSIONS, OCTETS)
PSK_IDS = st.one_of(
    st.builds(ExternalPskId, OCTETS, OCTETS),
    st.builds(ResumptionPskId, st.sampled_from(ResumptionUsage), OCTETS, U64, OCTETS),
)
PROPOSALS = st.one_of(
    st.builds(Add, KEY_PACKAGES),
    st.builds(Update, LEAF_NODES),
    st.builds(Remove, U32),
    st.builds(PreSharedKey, PSK_IDS),
    st.builds(ReInit, OCTETS, U16, U16, EXTENSIONS),
    st.builds(ExternalInit, OCTETS),
    st.builds(GroupContextExtensions, EXTENSIONS),
)
CIPHERTEXTS = st.builds(HpkeCiphertext, OCTETS, OCTETS)
UPDATE_PATHS = st.builds(
    UpdatePath, LEAF_NODES, tuples_of(st.builds(UpdatePathNode, OCTETS, tuples_of(CIPHERTEXTS)))
)
COMMITS = st.builds(
    Commit,
    tuples_of(st.one_of(PROPOSALS, st.builds(ProposalRef, OCTETS))),
    st.one_of(st.none(), UPDATE_PATHS),
)
CONTEXTS = st.builds(GroupContext, U16, OCTETS, U64, OCTETS, OCTETS, EXTENSIONS)
GROUP_INFOS = st.builds(GroupInfo, CONTEXTS, EXTENSIONS, OCTETS, U32, OCTETS)
GROUP_SECRETS = st.builds(GroupSecrets, OCTETS, st.one_of(st.none(), OCTETS), tuples_of(PSK_IDS))
WELCOMES = st.builds(Welcome, U16, tuples_of(st.builds(EncryptedGroupSecrets, OCTETS, CIPHERTEXTS)), OCTETS)
SENDERS = st.one_of(
    st.builds(Sender, st.just(SenderType.MEMBER), U32),
    st.builds(Sender, st.just(SenderType.EXTERNAL), U32),
    st.builds(Sender, st.just(SenderType.NEW_MEMBER_PROPOSAL)),
    st.builds(Sender, st.just(SenderType.NEW_MEMBER_COMMIT)),
)
CONTENTS: st.SearchStrategy[Content] = st.one_of(OCTETS, PROPOSALS, COMMITS)
FRAMED = st.builds(FramedContent, OCTETS, U64, SENDERS, OCTETS, CONTENTS)


@st.composite
def authenticated(draw: st.DrawFn) -> AuthenticatedContent:
    content = draw(FRAMED)
    tag = draw(OCTETS) if content.content_type == ContentType.COMMIT else None
    return AuthenticatedContent(draw(st.sampled_from(WireFormat)), content, AuthData(draw(OCTETS), tag))


@st.composite
def public_messages(draw: st.DrawFn) -> PublicMessage:
    inside = draw(authenticated())
    is_member = inside.content.sender.sender_type == SenderType.MEMBER
    return PublicMessage(inside.content, inside.auth, draw(OCTETS) if is_member else None)


PRIVATE_MESSAGES = st.builds(
    PrivateMessage, OCTETS, U64, st.sampled_from(ContentType), OCTETS, OCTETS, OCTETS
)
MESSAGES = st.builds(
    MlsMessage, st.one_of(public_messages(), PRIVATE_MESSAGES, WELCOMES, GROUP_INFOS, KEY_PACKAGES)
)


class Kind(NamedTuple):
    """One kind of structure: any value of it, and both ways."""

    values: st.SearchStrategy[Any]
    parse: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


def _written(write: Callable[[Writer, Any], None]) -> Callable[[Any], bytes]:
    def octets(value: Any) -> bytes:
        writer = Writer()
        write(writer, value)
        return writer.to_bytes()

    return octets


KINDS = {
    "extensions": Kind(EXTENSIONS, parse_extensions, _written(write_extensions)),
    "required_capabilities": Kind(
        st.builds(RequiredCapabilities, NUMBERS, NUMBERS, NUMBERS), parse_required_capabilities, octets_of
    ),
    "external_senders": Kind(
        tuples_of(st.builds(ExternalSender, OCTETS, CREDENTIALS)),
        parse_external_senders,
        external_senders_bytes,
    ),
    "leaf_node": Kind(LEAF_NODES, parse_leaf_node, octets_of),
    "parent_node": Kind(PARENT_NODES, parse_parent_node, octets_of),
    "ratchet_tree": Kind(TREES, parse_ratchet_tree, ratchet_tree_bytes),
    "key_package": Kind(KEY_PACKAGES, parse_key_package, octets_of),
    "proposal": Kind(PROPOSALS, parse_proposal, _written(write_proposal)),
    "update_path": Kind(UPDATE_PATHS, parse_update_path, octets_of),
    "commit": Kind(COMMITS, parse_commit, octets_of),
    "group_context": Kind(CONTEXTS, parse_group_context, octets_of),
    "group_info": Kind(GROUP_INFOS, parse_group_info, octets_of),
    "group_secrets": Kind(GROUP_SECRETS, parse_group_secrets, octets_of),
    "authenticated_content": Kind(authenticated(), parse_authenticated_content, octets_of),
    "sender_data": Kind(
        st.builds(SenderData, U32, U32, st.binary(min_size=4, max_size=4)),
        lambda data: parse_whole(SenderData.read, data),
        octets_of,
    ),
    "message": Kind(MESSAGES, parse_mls_message, octets_of),
}
"""By name; what is signed, hashed or sent is among them, whole."""
