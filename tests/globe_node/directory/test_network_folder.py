# SPDX-License-Identifier: Apache-2.0
"""The officers' folder: one bundle, replaced as a whole, and drafts."""

from pathlib import Path

import pytest

from globe_node.directory.network_folder import (
    KeptNetwork,
    NetworkFolder,
    make_network,
    open_network,
)
from globe_node.directory.publish import draft_statement, found_network
from globe_node.errors import ConfigError, ConflictError, SecondApproverError
from protocol.directory.dsse import parse_signed_statement
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId
from tests.support.clock import START
from tests.support.directory import officers, sample_admission, sample_network, sample_root

NETWORK = sample_network()
SIGNERS = [officer.signing for officer in officers()]
A = AuthorityId("xa-acc")


@pytest.fixture
def kept(tmp_path: Path) -> KeptNetwork:
    founded = found_network(sample_root(), SIGNERS, START)
    return make_network(NetworkFolder(tmp_path), founded.state, founded.root)


def test_it_is_found_again(kept: KeptNetwork) -> None:
    more = kept.with_statements(NETWORK.statements[1:]).with_statements(NETWORK.statements[2:3])
    more.save()
    again = open_network(kept.folder)
    assert again == more
    assert again.statements[1:] == NETWORK.statements[1:]
    with pytest.raises(ConflictError):
        make_network(kept.folder, kept.state, kept.statements[0])


def test_what_does_not_hold_is_not_taken_in(kept: KeptNetwork) -> None:
    with pytest.raises(UntrustedError):
        kept.with_statements(NETWORK.statements[2:])


def test_too_few_signatures_make_a_draft(kept: KeptNetwork) -> None:
    admission = sample_admission(kept.state.network.fingerprint, A)
    signed = draft_statement(kept.state, A, admission, signers=SIGNERS[:1], issued=START)
    with pytest.raises(SecondApproverError):
        kept.settled(signed)
    assert parse_signed_statement(kept.folder.draft(signed.statement_id).read_bytes()) == signed
    enough = draft_statement(kept.state, A, admission, signers=SIGNERS[1:], issued=START)
    assert kept.settled(enough).state.authority(A) is not None


def test_a_statement_that_peers_would_refuse_is_refused_here(kept: KeptNetwork) -> None:
    admission = sample_admission(kept.state.network.fingerprint, A).model_copy(update={"proof": b""})
    signed = draft_statement(kept.state, A, admission, signers=SIGNERS, issued=START)
    with pytest.raises(LocalProtocolError) as caught:
        kept.settled(signed)
    assert caught.value.code is ReasonCode.REFUSED


def test_no_network_and_a_damaged_one(kept: KeptNetwork, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no network"):
        open_network(NetworkFolder(tmp_path / "none"))
    kept.folder.bundle.write_bytes(b"")
    with pytest.raises(ConfigError, match="does not hold"):
        open_network(kept.folder)
