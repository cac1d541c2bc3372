# SPDX-License-Identifier: Apache-2.0
"""Proofs of logging: written, read and verified off line; bad ones of others, and real ones of Sigsum."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.octets import base64_text
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.log_proof import (
    MAX_EXTRA_BYTES,
    MAX_LOG_PROOF_BYTES,
    LogProof,
    parse_log_proof,
    verify_log_proof,
)
from protocol.tlog.merkle import MAX_SIZE
from protocol.tlog.note import parse_note
from protocol.tlog.policy import parse_policy
from protocol.tlog.proving import inclusion_proof
from tests.support import sigsum
from tests.support.trees import PlainTree, numbered_leaves
from tests.support.vectors import vector_json
from tests.support.witnesses import AT, ORIGIN, cosigned, policy_text

TREE = PlainTree(numbered_leaves(21))
CHECKPOINT = Checkpoint(ORIGIN, 21, TREE.root(21))
NOTE = parse_note(cosigned(CHECKPOINT, {"w1": AT, "w2": AT + 1}))
POLICY = parse_policy(policy_text("group q 2 w1 w2 w3\nquorum q"))
PROOF = LogProof(13, tuple(inclusion_proof(13, 21, TREE)), NOTE)
LEAF = TREE.leaves[13]
HASH = base64_text(LEAF)


def test_a_proof_needs_nothing_but_itself_the_leaf_and_the_policy() -> None:
    proof = parse_log_proof(PROOF.to_bytes())
    assert proof == PROOF
    trusted = verify_log_proof(proof, LEAF, POLICY, origin=ORIGIN)
    assert (trusted.checkpoint, trusted.settled_at) == (CHECKPOINT, AT + 1)
    assert PROOF.to_bytes().startswith(b"c2sp.org/tlog-proof@v1\nindex 13\n")


@pytest.mark.parametrize("size", range(1, 22))
def test_every_entry_of_every_size_has_its_proof(size: int) -> None:
    checkpoint = Checkpoint(ORIGIN, size, TREE.root(size))
    note = parse_note(cosigned(checkpoint, {}))
    policy = parse_policy(policy_text("quorum none"))
    for index in range(size):
        proof = LogProof(index, tuple(inclusion_proof(index, size, TREE)), note)
        verify_log_proof(proof, TREE.leaves[index], policy)


def test_what_does_not_prove_it() -> None:
    smaller = parse_note(cosigned(Checkpoint(ORIGIN, 20, TREE.root(20)), {"w1": AT, "w2": AT}))
    alone = parse_note(cosigned(CHECKPOINT, {"w1": AT}))
    for proof, leaf in (
        (PROOF, TREE.leaves[12]),
        (replace(PROOF, index=12), LEAF),
        (replace(PROOF, index=21), LEAF),
        (replace(PROOF, hashes=PROOF.hashes[1:]), LEAF),
        (replace(PROOF, hashes=PROOF.hashes[::-1]), LEAF),
        (replace(PROOF, note=smaller), LEAF),
        (replace(PROOF, note=alone), LEAF),
    ):
        with pytest.raises(RemoteProtocolError):
            verify_log_proof(proof, leaf, POLICY)
    for arguments in ({"origin": "other.example"}, {"not_after": AT}):
        with pytest.raises(UntrustedError):
            verify_log_proof(PROOF, LEAF, POLICY, **arguments)


@settings(max_examples=50)
@given(
    st.integers(0, MAX_SIZE),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(min_size=1, max_size=100),
)
def test_proofs_come_back(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = LogProof(index, tuple(hashes), NOTE, extra)
    assert parse_log_proof(proof.to_bytes()) == proof


@settings(max_examples=50)
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing_that_counts(data: st.DataObject) -> None:
    whole = replace(PROOF, extra=b"believed by nobody").to_bytes()
    changed = bytearray(whole)
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        proof = parse_log_proof(bytes(changed))
        trusted = verify_log_proof(proof, LEAF, POLICY, origin=ORIGIN)
    except RemoteProtocolError:
        return
    assert (proof.index, trusted.checkpoint) == (13, CHECKPOINT)
    assert proof.extra != b"believed by nobody" or len(trusted.by_log) < 2


@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(lambda text: f"c2sp.org/tlog-proof@v1\n{text}".encode())
)
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_log_proof(data)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n",
        "c2sp.org/tlog-proof@v1\nindex 01\n",
        "c2sp.org/tlog-proof@v1\nindex +1\n",
        "c2sp.org/tlog-proof@v1\nindex 1 \n",
        "c2sp.org/tlog-proof@v1\nindex  1\n",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n",
        "c2sp.org/tlog-proof@v1\nindex \u0661\n",
        "c2sp.org/tlog-proof@v1\r\nindex 1\r\n",
        f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH[:-1]}\n",
        f"c2sp.org/tlog-proof@v1\nindex 1\n {HASH}\n",
        f"c2sp.org/tlog-proof@v1\nindex 1\n{base64_text(LEAF + LEAF)}\n",
        f"c2sp.org/tlog-proof@v1\n{HASH}\nindex 1\n",
        "c2sp.org/tlog-proof@v1\nindex 1\nextra YQ==\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 1\n",
        "c2sp.org/tlog-proof@v1\nextra YR==\nindex 1\n",
        "c2sp.org/tlog-proof@v1\nextra YQ\nindex 1\n",
        "c2sp.org/tlog-proof@v1\nextra YQ==\nextra YQ==\nindex 1\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n" + f"{HASH}\n" * 64,
    ],
)
def test_almost_a_proof_is_malformed(head: str) -> None:
    with pytest.raises(MalformedError):
        parse_log_proof(f"{head}\n".encode() + NOTE.to_bytes())


@pytest.mark.vectors
def test_heads_that_others_refuse() -> None:
    """Each stands over a checkpoint that is none; so it is refused over a good one, too."""
    for text in vector_json("translog/formats/tlog-proof-parse.json")["invalid"]:
        assert text.endswith("\n\ncheckpoint\n")
        for data in (text.encode(), text.removesuffix("checkpoint\n").encode() + NOTE.to_bytes()):
            with pytest.raises(MalformedError):
                parse_log_proof(data)


def test_bounds() -> None:
    for proof in (
        replace(PROOF, extra=bytes(MAX_EXTRA_BYTES)),
        LogProof(MAX_SIZE, (LEAF,) * 63, NOTE, b"\x00"),
    ):
        assert parse_log_proof(proof.to_bytes()) == proof
    head = f"c2sp.org/tlog-proof@v1\nextra {base64_text(bytes(MAX_EXTRA_BYTES + 1))}\nindex 1\n\n"
    with pytest.raises(MalformedError):
        parse_log_proof(head.encode() + NOTE.to_bytes())
    with pytest.raises(MalformedError) as caught:
        parse_log_proof(bytes(MAX_LOG_PROOF_BYTES + 1))
    assert caught.value.code is ReasonCode.TOO_LARGE
    for bad in (
        replace(PROOF, index=-1),
        replace(PROOF, index=MAX_SIZE + 1),
        replace(PROOF, hashes=(LEAF,) * 64),
        replace(PROOF, hashes=(b"short",)),
        replace(PROOF, extra=b""),
        replace(PROOF, extra=bytes(MAX_EXTRA_BYTES + 1)),
    ):
        with pytest.raises(LocalProtocolError):
            bad.to_bytes()


@pytest.mark.vectors
def test_real_proofs_of_sigsum() -> None:
    vectors = vector_json("translog/sigsum/proofs.json")
    policy = parse_policy(sigsum.policy_text(vectors["policy"]).encode())
    submitter = bytes.fromhex(vectors["submitter_key_hex"])
    assert len(vectors["cases"]) == 2
    for case in vectors["cases"]:
        message = bytes.fromhex(case["message_hex"])
        data, leaf = sigsum.as_log_proof(case["proof"], message, submitter, vectors["policy"])
        proof = parse_log_proof(data)
        trusted = verify_log_proof(proof, leaf, policy)
        assert len(trusted.witnessed) == 3
        assert trusted.settled_at in (1749045854, 1750089614)
        with pytest.raises(UntrustedError):
            verify_log_proof(
                proof, sigsum.as_log_proof(case["proof"], b"", submitter, vectors["policy"])[1], policy
            )
