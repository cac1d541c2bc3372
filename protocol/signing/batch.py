# SPDX-License-Identifier: Apache-2.0
"""One composite signature over many hashes; each keeps a block that verifies alone. It stores nothing.

1. The hashes become leaves of a Merkle tree, each with a random salt, so that a block tells nothing about
   the other leaves. The signature covers size and root. A batch of one has an empty path.
2. A block has one written form: the path is exactly as long as index and size demand, and nothing follows.
3. `BatchVerifier` remembers roots whose signature held, so that a batch is paid for once. What it forgets
   is verified again; it never remembers a refusal.

block = u8 1 || salt (32) || u16 index || u16 size || u8 n || n * node (32) || composite signature
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from protocol import limits
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.identifiers import KeyId
from protocol.interfaces import Entropy, Signer
from protocol.octets import op
from protocol.signing import composite, labels
from protocol.signing.composite import PublicKey

HASH_BYTES = 32
SALT_BYTES = 32
MAX_PATH_NODES = (limits.MAX_SIGNED_BATCH - 1).bit_length()
_VERSION = 1
_HEAD = Struct(f">B{SALT_BYTES}sHHB")
MIN_BLOCK_BYTES = _HEAD.size + composite.SIGNATURE_BYTES
MAX_BLOCK_BYTES = MIN_BLOCK_BYTES + MAX_PATH_NODES * HASH_BYTES


def sign_batch(signer: Signer, label: str, hashes: Sequence[bytes], entropy: Entropy) -> list[bytes]:
    """Sign 1 to 1024 hashes of 32 bytes with one composite signature.

    Returns:
        One block per hash, in the order given.

    Raises:
        LocalProtocolError: no hash or too many, a hash of another length, or an unknown label.

    Spec: PROTOCOL.md section 5.
    """
    size = len(hashes)
    if not 1 <= size <= limits.MAX_SIGNED_BATCH or any(len(digest) != HASH_BYTES for digest in hashes):
        raise LocalProtocolError("a batch takes 1 to 1024 hashes of 32 bytes")
    domain = _domain(label)
    drawn = entropy.random_bytes(SALT_BYTES * size)
    salts = [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]
    rows = _rows([_leaf(domain, salt, digest) for salt, digest in zip(salts, hashes, strict=True)])
    signature = signer.sign(label, _signed_message(size, rows[-1][0]))
    if len(signature) != composite.SIGNATURE_BYTES:
        raise LocalProtocolError("the signer gave a signature of another length")
    return [_block(salts[index], index, size, _path(rows, index), signature) for index in range(size)]


def verify_block(public_key: PublicKey, label: str, digest: bytes, block: bytes) -> None:
    """Verify that a block signs one hash for one purpose; nothing is remembered.

    Raises:
        MalformedError: the block does not have the one written form (`bad_content`).
        UnsupportedVersionError: a version of the block that does not exist.
        UntrustedError: the signature does not hold for this hash, label and key.
        LocalProtocolError: the label is none of `protocol.signing.labels`.

    Spec: PROTOCOL.md section 5.
    """
    opened = _open(label, digest, block)
    composite.verify(public_key, label, _signed_message(opened.size, opened.root), opened.signature)


class BatchVerifier:
    """Verifies blocks and remembers, for up to `capacity` batches, that the signature of the root held.

    Not safe for use by several threads at once.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("remember at least one batch")
        self._capacity = capacity
        self._held: OrderedDict[tuple[KeyId, str, int, bytes], bytes] = OrderedDict()

    def verify(self, public_key: PublicKey, label: str, digest: bytes, block: bytes) -> None:
        """Verify as `verify_block` does, with the same errors."""
        opened = _open(label, digest, block)
        name = (public_key.key_id, label, opened.size, opened.root)
        if self._held.get(name) == opened.signature:
            self._held.move_to_end(name)
            return
        composite.verify(public_key, label, _signed_message(opened.size, opened.root), opened.signature)
        self._held[name] = opened.signature
        self._held.move_to_end(name)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def __len__(self) -> int:
        return len(self._held)


class _Opened(NamedTuple):
    """What a block says the signer signed."""

    size: int
    root: bytes
    signature: bytes


def _open(label: str, digest: bytes, block: bytes) -> _Opened:
    if len(block) < MIN_BLOCK_BYTES:
        raise _malformed("a batch signature that is cut off")
    version, salt, index, size, nodes = _HEAD.unpack_from(block)
    if version != _VERSION:
        raise UnsupportedVersionError("a version of batch signature that does not exist")
    if not index < size <= limits.MAX_SIGNED_BATCH:
        raise _malformed("a batch signature with an index outside its size")
    if len(block) != MIN_BLOCK_BYTES + nodes * HASH_BYTES:
        raise _malformed("a batch signature of another length than it says")
    if len(digest) != HASH_BYTES:
        raise UntrustedError("a signature does not hold")
    end = len(block) - composite.SIGNATURE_BYTES
    path = [block[at : at + HASH_BYTES] for at in range(_HEAD.size, end, HASH_BYTES)]
    root = _root_from(_leaf(_domain(label), salt, digest), index, size, path)
    return _Opened(size=size, root=root, signature=block[end:])


def _domain(label: str) -> bytes:
    if label not in labels.ALL:
        raise LocalProtocolError("a signature needs a label of the list")
    return b"\0" + op(label.encode("ascii"))


def _leaf(domain: bytes, salt: bytes, digest: bytes) -> bytes:
    return sha256(domain + salt + digest).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _rows(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the tree row by row, leaves first; a node without a partner rises as it is."""
    rows = [leaves]
    while len(rows[-1]) > 1:
        row = rows[-1]
        above = [_node(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        rows.append(above)
    return rows


def _path(rows: list[list[bytes]], index: int) -> list[bytes]:
    path = []
    for row in rows[:-1]:
        partner = index ^ 1
        if partner < len(row):
            path.append(row[partner])
        index >>= 1
    return path


def _root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Walk from a leaf to the root.

    Raises:
        MalformedError: the path has another length than index and size demand.

    Spec: RFC 6962 section 2.1.1.
    """
    nodes = iter(path)
    node, last = leaf, size - 1
    try:
        while last:
            if index & 1:
                node = _node(next(nodes), node)
            elif index < last:
                node = _node(node, next(nodes))
            index >>= 1
            last >>= 1
    except StopIteration:
        raise _malformed("a batch signature with a path of another length") from None
    if next(nodes, None) is not None:
        raise _malformed("a batch signature with a path of another length")
    return node


def _signed_message(size: int, root: bytes) -> bytes:
    return b"anp1/batch" + size.to_bytes(2, "big") + root


def _block(salt: bytes, index: int, size: int, path: list[bytes], signature: bytes) -> bytes:
    return b"".join((_HEAD.pack(_VERSION, salt, index, size, len(path)), *path, signature))


def _malformed(text: str) -> MalformedError:
    return MalformedError(text, code=ReasonCode.BAD_CONTENT)
