# SPDX-License-Identifier: Apache-2.0
"""Contexts and trust, without sockets: two TLS ends joined by memory."""

import asyncio.sslproto
import os
import ssl
from pathlib import Path

import pytest

from globe_node.peering.tls import (
    TLS_BUFFER_BYTES,
    LineObject,
    TrustedPeers,
    client_context,
    server_context,
    shrink_buffers,
)
from keys.tls_identity import TLSIdentity
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.line import peer_identity, raw_server_context, tls_identity, trusting


def joined(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Carry a handshake through, or raise what either end raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[1], ends[0]


def pinned_to(name: str, *, showing: str = "xa") -> ssl.SSLContext:
    return client_context(tls_identity(showing), [tls_identity(name).certificate_der])


def test_two_nodes_that_expect_each_other_meet_over_tls_1_3() -> None:
    server, client = joined(server_context(tls_identity("xb"), trusting("xa", "xc")), pinned_to("xb"))
    assert isinstance(server, LineObject)
    assert isinstance(client, LineObject)
    assert server.version() == client.version() == "TLSv1.3"
    assert server.peer_certificate_der == tls_identity("xa").certificate_der
    assert client.peer_certificate_der == tls_identity("xb").certificate_der
    assert client.selected_alpn_protocol() == "http/1.1"


def test_neither_end_takes_another_certificate() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        joined(server_context(tls_identity("xb"), trusting("xa")), pinned_to("xc"))
    with pytest.raises(ssl.SSLCertVerificationError):
        joined(server_context(tls_identity("xb"), trusting("xc")), pinned_to("xb"))
    with pytest.raises(ssl.SSLCertVerificationError):
        joined(server_context(tls_identity("xb"), trusting()), pinned_to("xb"))


def test_a_context_that_is_older_than_a_removal_refuses_the_removed() -> None:
    peers = trusting("xa", "xc")
    context = server_context(tls_identity("xb"), peers)
    joined(context, pinned_to("xb"))
    peers.replace([(tls_identity("xc").certificate_der, peer_identity("xc"))])
    with pytest.raises(ssl.SSLCertVerificationError):
        joined(context, pinned_to("xb"))
    joined(context, pinned_to("xb", showing="xc"))


def test_two_certificates_with_one_name_are_both_taken() -> None:
    renewed = TLSIdentity.generate("xa", START, SeededEntropy("another key"))
    for identities in ((tls_identity("xa"), renewed), (renewed, tls_identity("xa"))):
        peers = TrustedPeers()
        peers.replace((identity.certificate_der, peer_identity("xa")) for identity in identities)
        pins = [identity.certificate_der for identity in identities]
        for shown in identities:
            pinned = client_context(shown, [tls_identity("xb").certificate_der])
            joined(server_context(tls_identity("xb"), peers), pinned)
            peer = client_context(tls_identity("xb"), pins)
            joined(server_context(shown, trusting("xb")), peer)


def test_an_end_that_asks_for_no_certificate_is_still_checked_by_the_client() -> None:
    joined(raw_server_context(tls_identity("xb")), pinned_to("xb"))
    with pytest.raises(ssl.SSLCertVerificationError):
        joined(raw_server_context(tls_identity("xc")), pinned_to("xb"))


def test_the_environment_gets_no_session_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keylog"))
    joined(server_context(tls_identity("xb"), trusting("xa")), pinned_to("xb"))
    assert list(tmp_path.iterdir()) == []


def test_the_private_key_is_lent_in_memory_and_no_descriptor_is_left() -> None:
    before = set(Path("/proc/self/fd").iterdir())
    server_context(tls_identity("xb"), trusting("xa"))
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_the_private_key_is_lent_as_a_file_where_memory_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    joined(server_context(tls_identity("xb"), trusting("xa")), pinned_to("xb"))


def test_a_certificate_listed_for_two_nodes_means_neither() -> None:
    peers = TrustedPeers()
    der = tls_identity("xa").certificate_der
    peers.replace([(der, peer_identity("xa")), (der, peer_identity("xc")), (b"", peer_identity("xd"))])
    assert peers.certificates() == []
    peers.replace([(der, peer_identity("xa")), (der, peer_identity("xa"))])
    assert peers.identity_of(der) == peer_identity("xa")


def test_listeners_are_told_of_changes_only() -> None:
    told = []
    peers = trusting("xa")
    peers.on_change(lambda: told.append(len(peers.certificates())))
    peers.replace([(tls_identity("xa").certificate_der, peer_identity("xa"))])
    peers.replace([])
    assert told == [0]


def test_buffers_are_made_smaller_and_never_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    for before, after in ((256 * 1024, TLS_BUFFER_BYTES), (1024, 1024)):
        monkeypatch.setattr(asyncio.sslproto.SSLProtocol, "max_size", before)
        shrink_buffers()
        assert asyncio.sslproto.SSLProtocol.max_size == after
