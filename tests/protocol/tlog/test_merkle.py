# SPDX-License-Identifier: Apache-2.0
"""Trees: against outside probes, and against the plain definition. Making proofs is in `test_proving`."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MalformedError, RemoteProtocolError
from protocol.tlog import merkle
from protocol.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, parse_frontier, root_of
from tests.support.trees import plain_root
from tests.support.vectors import vector_json, vector_path

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]
SIZES = st.integers(1, len(LEAVES))


def b64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def probes(name: str) -> list[Any]:
    return list(vector_json(f"translog/merkle/{name}.json"))


def holds(check: Any) -> bool:
    try:
        check()
    except RemoteProtocolError:
        return False
    return True


def test_the_classic_tree_of_eight() -> None:
    tree = vector_json("translog/merkle/rfc6962-tree8.json")
    hashes = [leaf_hash(bytes.fromhex(text)) for text in tree["leaf_inputs_hex"]]
    for size in range(9):
        assert root_of(hashes[:size]) == plain_root(hashes[:size])
    for level, row in enumerate(tree["node_hashes_hex_by_level"]):
        for index, text in enumerate(row):
            assert plain_root(hashes[index << level : (index + 1) << level]).hex() == text


@pytest.mark.vectors
def test_inclusion_probes() -> None:
    cases = probes("inclusion")
    assert len(cases) == 98
    for case in cases:
        proof = [b64(text) for text in case["proof"] or []]
        good = holds(
            lambda case=case, proof=proof: merkle.verify_inclusion(
                b64(case["leafHash"]),
                case["leafIdx"],
                size=case["treeSize"],
                proof=proof,
                root=b64(case["root"]),
            )
        )
        assert good is not case["wantErr"], case["desc"]


@pytest.mark.vectors
def test_consistency_probes() -> None:
    cases = probes("consistency")
    assert len(cases) == 98
    for case in cases:
        proof = [b64(text) for text in case["proof"] or []]
        good = holds(
            lambda case=case, proof=proof: merkle.verify_consistency(
                case["size1"],
                case["size2"],
                proof=proof,
                old_root=b64(case["root1"]),
                new_root=b64(case["root2"]),
            )
        )
        words_for_roots = len(b64(case["root1"])) != merkle.HASH_BYTES  # we refuse what is no SHA-256
        assert good is not (case["wantErr"] or words_for_roots), case["desc"]


@pytest.mark.vectors
@pytest.mark.parametrize("name", ["merkle-inclusion-valid", "merkle-inclusion-invalid"])
def test_inclusion_cases_of_another_log(name: str) -> None:
    for case in vector_json(f"translog/sigsum/{name}.json"):
        good = holds(
            lambda case=case: merkle.verify_inclusion(
                b64(case["leaf_hash"]),
                case["leaf_index"],
                size=case["tree_size"],
                proof=[b64(text) for text in case["inclusion_path"]],
                root=b64(case["root_hash"]),
            )
        )
        assert good is not name.endswith("-invalid"), case.get("comment")


@pytest.mark.vectors
def test_a_mirror_of_three_hundred_entries_gives_the_cosigned_root() -> None:
    place = (
        "translog/sunlight/witness/mirror/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706"
    )
    data = (
        vector_path(f"{place}/tile/0/000").read_bytes() + vector_path(f"{place}/tile/0/001.p/44").read_bytes()
    )
    hashes = [data[at : at + 32] for at in range(0, len(data), 32)]
    completed: list[tuple[int, int, bytes]] = []
    frontier = Frontier().append(hashes, lambda *node: completed.append(node))
    lines = vector_path(f"{place}/checkpoint").read_text("utf-8").split("\n")
    assert (frontier.size, frontier.root()) == (int(lines[1]), b64(lines[2]))
    assert completed == [(8, 0, vector_path(f"{place}/tile/1/000.p/1").read_bytes())]


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == root_of([]) == EMPTY_ROOT


@given(SIZES, st.integers(0, 70))
def test_a_frontier_grows_to_the_plain_root(size: int, cut: int) -> None:
    frontier = Frontier().append(LEAVES[:cut][:size])
    frontier = frontier.append(LEAVES[frontier.size : size])
    assert frontier.size == size
    assert frontier.root() == plain_root(LEAVES[:size])
    assert parse_frontier(frontier.to_bytes()) == frontier


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frontier_or_malformed(data: bytes) -> None:
    try:
        frontier = parse_frontier(data)
    except MalformedError:
        return
    assert frontier.to_bytes() == data


def test_what_can_not_be_checked_is_malformed() -> None:
    with pytest.raises(MalformedError):
        Frontier(3, (EMPTY_ROOT,))
    for leaf, index, size in (
        (b"short", 0, 1),
        (EMPTY_ROOT, -1, 1),
        (EMPTY_ROOT, 1, 1),
        (EMPTY_ROOT, 0, 1 << 63),
    ):
        with pytest.raises(MalformedError):
            merkle.verify_inclusion(leaf, index, size=size, proof=[], root=EMPTY_ROOT)
    beside = merkle.node_hash(LEAVES[0], LEAVES[1])
    merkle.verify_inclusion(LEAVES[1], 1, size=2, proof=[LEAVES[0]], root=beside)
    with pytest.raises(MalformedError):  # the hashes would fit
        merkle.verify_inclusion(LEAVES[1], 1, size=1, proof=[LEAVES[0]], root=beside)
    for old, new in ((0, 0), (0, 3), (4, 3), (1, 1 << 63)):
        with pytest.raises(MalformedError):
            merkle.verify_consistency(old, new, proof=[], old_root=EMPTY_ROOT, new_root=EMPTY_ROOT)
