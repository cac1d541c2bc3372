# SPDX-License-Identifier: Apache-2.0
"""Other implementations agree: `pymerkle` on roots and proofs, `sigstore` on checkpoints and inclusion.

Both are for tests only (decision 0020). Of sigstore two private modules are used: it has no public door to
them. It knows no consistency proofs, no cosignatures and no ML-DSA, and takes what we refuse; what it accepts
is therefore no test of strictness.
"""

import base64
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.errors import RemoteProtocolError
from protocol.tlog import merkle
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import verify_checkpoint
from protocol.tlog.note import KeyKind, verifier_key
from protocol.tlog.tiles import TiledTree, TileEdge
from tests.support.trees import KeptTiles
from tests.support.vectors import vector_json
from tests.support.witnesses import AT, ORIGIN, cosigned, log_key

pymerkle: Any = import_module("pymerkle")
rekor: Any = import_module("sigstore._internal.rekor.checkpoint")
inclusion: Any = import_module("sigstore._internal.merkle")
trust: Any = import_module("sigstore._internal.trust")
common: Any = import_module("sigstore_models.common.v1")
VerificationError: Any = import_module("sigstore.errors").VerificationError

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
SIZE = 300
ENTRIES = [number.to_bytes(2, "big") * (number % 5) for number in range(SIZE)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


def our_tree() -> TiledTree:
    grown = TileEdge().append(LEAVES)
    return TiledTree(SIZE, KeptTiles(dict((*grown.full_tiles, *grown.edge.partial_tiles()))))


def their_tree() -> Any:
    return pymerkle.InmemoryTree.init_from_entries(ENTRIES, algorithm="sha256")


def test_pymerkle_has_our_roots_and_our_inclusion_proofs() -> None:
    """Its proofs begin with the leaf, and count from one."""
    ours, theirs = our_tree(), their_tree()
    for size in (*range(1, 20), 255, 256, 257, SIZE):
        root = ours.root_at(size)
        assert theirs.get_root(size) == root
        for index in {0, 1, size // 2, size - 1} & set(range(size)):
            proof = theirs.prove_inclusion(index + 1, size)
            assert proof.path == [LEAVES[index], *ours.inclusion(index, size)]
            pymerkle.verify_inclusion(LEAVES[index], root, proof, index=index + 1, size=size)
            merkle.verify_inclusion(LEAVES[index], index, size=size, proof=proof.path[1:], root=root)


def test_pymerkle_and_we_accept_and_refuse_the_same_pasts() -> None:
    """Its consistency proofs have another form: it does not leave out what the reader can compute."""
    ours, theirs = our_tree(), their_tree()
    for old, new in [*pairwise((*range(1, 34), 128, 256, 257, SIZE)), (1, SIZE), (256, SIZE), (299, SIZE)]:
        proof, root, past = theirs.prove_consistency(old, new), ours.root_at(new), ours.root_at(old)
        pymerkle.verify_consistency(past, root, proof, prior_size=old, later_size=new)
        compact = ours.consistency(old, new)
        merkle.verify_consistency(old, new, proof=compact, old_root=past, new_root=root)
        for wrong_past, wrong_root in ((merkle.EMPTY_ROOT, root), (past, merkle.EMPTY_ROOT)):
            with pytest.raises(pymerkle.InvalidProof):
                pymerkle.verify_consistency(wrong_past, wrong_root, proof)
            with pytest.raises(RemoteProtocolError):
                merkle.verify_consistency(old, new, proof=compact, old_root=wrong_past, new_root=wrong_root)


def keyring(*raw: bytes) -> Any:
    """Keys as sigstore wants them: wrapped, and of Ed25519."""
    return trust.Keyring(
        [
            common.PublicKey(
                raw_bytes=base64.b64encode(ED25519_SPKI + key),
                key_details=common.PublicKeyDetails.PKIX_ED25519,
            )
            for key in raw
        ]
    )


def log_entry(note: bytes, body: bytes, key_id: bytes, **proof: Any) -> Any:
    """What its verifiers read of an entry of its own log."""
    inner = SimpleNamespace(
        inclusion_proof=SimpleNamespace(checkpoint=SimpleNamespace(envelope=note.decode()), **proof),
        canonicalized_body=body,
        log_id=SimpleNamespace(key_id=key_id),
    )
    return SimpleNamespace(_inner=inner)


def sigstore_accepts(entry: Any, *trusted: bytes) -> bool:
    try:
        inclusion.verify_merkle_inclusion(entry)
        rekor.verify_checkpoint(keyring(*trusted), entry)
    except VerificationError:
        return False
    return True


def test_sigstore_verifies_what_we_sign_and_prove() -> None:
    tree = our_tree()
    public = log_key().ed25519_public_key
    key = verifier_key(ORIGIN, KeyKind.ED25519, public)
    for index, size in ((0, 1), (0, 2), (255, 256), (17, 257), (299, SIZE)):
        checkpoint = Checkpoint(ORIGIN, size, tree.root_at(size))
        note = cosigned(checkpoint, {"w1": AT, "w2": AT}, with_mldsa=True)
        good = {
            "log_index": index,
            "tree_size": size,
            "hashes": tree.inclusion(index, size),
            "root_hash": checkpoint.root,
        }
        assert sigstore_accepts(log_entry(note, ENTRIES[index], key.key_id, **good), public)
        other = cosigned(Checkpoint(ORIGIN, size, merkle.EMPTY_ROOT), {})
        thief = log_key("thief").ed25519_public_key
        for entry, known in (
            (log_entry(note, b"other", key.key_id, **good), public),
            (log_entry(other, ENTRIES[index], key.key_id, **good), public),
            (log_entry(note, ENTRIES[index], key.key_id, **good), thief),
            (
                log_entry(note.replace(b"\n%d\n" % size, b"\n999\n"), ENTRIES[index], key.key_id, **good),
                public,
            ),
        ):
            assert not sigstore_accepts(entry, known)


@pytest.mark.vectors
def test_sigstore_and_we_judge_real_checkpoints_alike() -> None:
    """Those that are signed with Ed25519, which is the one kind of theirs that we know."""
    judged = []
    for case in vector_json("translog/sigstore-conformance/checkpoint-cases.json"):
        if case["trusted_log_keys"][0]["keyDetails"] != "PKIX_ED25519":
            continue
        (trusted,) = case["trusted_log_keys"]
        raw, name = base64.b64decode(trusted["rawBytes"])[-32:], trusted["baseUrl"].removeprefix("https://")
        key, proof = verifier_key(name, KeyKind.ED25519, raw), case["inclusionProof"]
        note = proof["checkpoint"]["envelope"].encode()
        hashes = [base64.b64decode(item) for item in proof["hashes"]]
        body = base64.b64decode(case["canonicalizedBody"])
        try:
            found = verify_checkpoint(note, [key]).checkpoint
            merkle.verify_inclusion(
                merkle.leaf_hash(body),
                int(case["logIndex"]),
                size=found.size,
                proof=hashes,
                root=found.root,
            )
            ours = True
        except RemoteProtocolError:
            ours = False
        entry = log_entry(
            note,
            body,
            key.key_id,
            log_index=int(proof["logIndex"]),
            tree_size=int(proof["treeSize"]),
            hashes=hashes,
            root_hash=base64.b64decode(proof["rootHash"]),
        )
        assert sigstore_accepts(entry, raw) is ours is case["valid"], case["case"]
        judged.append(case["case"])
    assert len(judged) == 11
