# SPDX-License-Identifier: Apache-2.0
from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity
from protocol.identifiers import AuthorityId, NodeId


def test_an_address_names_whom_to_expect_and_hides_bytes() -> None:
    address = PeerAddress(
        AuthorityId("xb-acc"), NodeId("n1"), "https://node.xb.example:8443", b"\x30\x82secret"
    )
    assert address.identity == PeerIdentity(AuthorityId("xb-acc"), NodeId("n1"))
    assert "secret" not in repr(address)
    assert "content" not in repr(Answer(None, b"content"))


def test_operations_are_path_words() -> None:
    assert [str(operation) for operation in Operation] == [
        "envelopes",
        "receipts",
        "statements",
        "greeting",
        "key-packages",
        "commits",
        "group-info",
        "hub-receipts",
    ]
