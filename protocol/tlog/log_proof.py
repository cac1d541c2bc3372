# SPDX-License-Identifier: Apache-2.0
"""Proofs of logging, for whoever is off line: an index, an inclusion proof and a signed checkpoint, as text.

1. What was logged is not in it; the reader brings the leaf. Extra data is carried and believed by nobody.
2. A proof is read as a whole or refused: every line in its one form, the checkpoint as a note of its own.
3. It holds if the policy of the reader accepts the checkpoint and the leaf is in that tree at that index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.octets import base64_text, parse_base64
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, verify_inclusion
from protocol.tlog.note import MAX_NOTE_BYTES, Note, VerifierKey, parse_note
from protocol.tlog.policy import Policy
from protocol.tlog.quorum import TrustedCheckpoint, verify_under_policy

MAX_PROOF_HASHES = 63
MAX_EXTRA_BYTES = 64 * 1024
MAX_LOG_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES
_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof of logging that was read, and of which nothing was verified.

    Attributes:
        index: of the entry, from 0.
        hashes: inclusion proof, nearest the leaf first.
        note: the signed checkpoint.
        extra: unsigned data of the application, not empty; None if there is none.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def to_bytes(self) -> bytes:
        """Write the proof.

        Raises:
            LocalProtocolError: an index, a hash or extra data that no proof can have.

        Spec: C2SP tlog-proof, format; PROTOCOL.md section 17.6.
        """
        if not 0 <= self.index <= MAX_SIZE or len(self.hashes) > MAX_PROOF_HASHES:
            raise LocalProtocolError("not a proof that can be written")
        if any(len(item) != HASH_BYTES for item in self.hashes):
            raise LocalProtocolError("a hash of the wrong length")
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA_BYTES:
            raise LocalProtocolError("extra data that no proof can have")
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + base64_text(self.extra))
        lines += [f"index {self.index}", *map(base64_text, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.note.to_bytes()


def parse_log_proof(data: bytes) -> LogProof:
    """Read a proof of logging.

    Raises:
        MalformedError: not a proof in every line, or too long.

    Spec: C2SP tlog-proof, format; PROTOCOL.md section 17.6.
    """
    if len(data) > MAX_LOG_PROOF_BYTES:
        raise MalformedError("a proof of logging too long", code=ReasonCode.TOO_LARGE)
    head, cut, rest = data.partition(b"\n\n")
    if not cut or not head.isascii():
        raise _malformed()
    header, *lines = head.decode("ascii").split("\n")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = parse_base64(lines.pop(0).removeprefix(_EXTRA))
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if header != _HEADER or index is None or int(index[1]) > MAX_SIZE:
        raise _malformed()
    if extra is not None and not 1 <= len(extra) <= MAX_EXTRA_BYTES:
        raise _malformed()
    return LogProof(int(index[1]), parse_hashes(lines[1:]), parse_note(rest), extra)


def parse_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Read the hashes of a proof, one on each line.

    Raises:
        MalformedError: not a hash in its one form, or more than the largest tree needs.
    """
    if len(lines) > MAX_PROOF_HASHES:
        raise MalformedError("a proof with too many hashes", code=ReasonCode.TOO_LARGE)
    hashes = tuple(parse_base64(line) for line in lines)
    if any(len(item) != HASH_BYTES for item in hashes):
        raise MalformedError("a hash of the wrong length", code=ReasonCode.BAD_FIELD)
    return hashes


def verify_log_proof(
    proof: LogProof,
    leaf: bytes,
    policy: Policy,
    *,
    origin: str | None = None,
    logs: Sequence[VerifierKey] = (),
    not_after: int | None = None,
) -> TrustedCheckpoint:
    """Verify that an entry was logged, and witnessed as the policy wants it.

    Args:
        proof: what was read.
        leaf: hash of the entry as a leaf, computed by the caller from the entry itself.
        policy: loaded before.
        origin: the one log that is meant; None for any of the policy.
        logs: keys of logs that are known otherwise, named like their origin.
        not_after: cosignatures that name a later time, in Unix seconds, do not count.

    Raises:
        MalformedError: not a signed checkpoint, or a proof of the wrong length.
        UntrustedError: the policy does not accept the checkpoint, or the entry is not in its tree there.

    Spec: C2SP tlog-proof, verifying; PROTOCOL.md section 17.6.
    """
    trusted = verify_under_policy(
        proof.note.to_bytes(), policy, origin=origin, logs=logs, not_after=not_after
    )
    checkpoint = trusted.checkpoint
    verify_inclusion(leaf, proof.index, size=checkpoint.size, proof=proof.hashes, root=checkpoint.root)
    return trusted


def _malformed() -> MalformedError:
    return MalformedError("not a proof of logging", code=ReasonCode.BAD_FIELD)
