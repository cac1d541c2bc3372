# SPDX-License-Identifier: Apache-2.0
"""What a witness answers to a log, and what a log makes of the answer. It stores, sends and asks nothing.

1. `judge` says which status a request gets, from the request, the keys of the log and what was cosigned last.
   It is called in the transaction that stores what it accepted; only after that commit is anything signed.
2. A witness never cosigns two roots of one size, nor a smaller tree after a larger, nor with a clock that
   went backwards.
3. What a log signed and what does not continue what it signed before is kept whole: the log's line proves it.
4. A client believes a cosignature that verifies, and nothing else that a witness says; a size is a hint.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.octets import base64_text
from protocol.tlog.checkpoint import Checkpoint, parse_checkpoint, verify_empty_root
from protocol.tlog.cosignature import CheckpointSigner, SignedBy, cosign, verify_lines
from protocol.tlog.log_proof import MAX_PROOF_HASHES, parse_hashes
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, verify_consistency
from protocol.tlog.note import (
    MAX_NOTE_BYTES,
    Note,
    VerifierKey,
    parse_signatures,
    split_note,
)
from protocol.tlog.proving import NodeReader, consistency_proof

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4096
"""A note, and the size and hashes before it."""
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class CheckpointRequest:
    """A log asks for a cosignature.

    Attributes:
        old_size: size that the witness cosigned last, as the log believes.
        proof: consistency from there; empty from size 0, and for the same size.
        note: the signed checkpoint, as octets.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Write the body of the request.

        Raises:
            LocalProtocolError: a size or hashes that no request can have.

        Spec: C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.8.
        """
        if not 0 <= self.old_size <= MAX_SIZE or len(self.proof) > MAX_PROOF_HASHES:
            raise LocalProtocolError("not a request that can be written")
        if any(len(item) != HASH_BYTES for item in self.proof):
            raise LocalProtocolError("a hash of the wrong length")
        lines = [f"old {self.old_size}", *map(base64_text, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness cosigned last of one log: size, root, and the time it named."""

    size: int
    root: bytes
    at_seconds: int = 0


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """An answer over HTTP."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request.

    Attributes:
        answer: what is answered; None if it is accepted, and `cosigned` makes the answer.
        checkpoint: the checkpoint, once the log's signature was verified.
        note: it with the lines of the log, and no others: what is stored.
        becomes: what was cosigned last, once this is; stored before anything is signed.
        keep: True if the log signed what, as far as can be seen, does not continue what it signed before.
    """

    answer: WitnessAnswer | None
    checkpoint: Checkpoint | None = None
    note: Note | None = None
    becomes: Seen | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness has cosigned: one verified line for each of its keys that did."""

    by_witness: tuple[SignedBy, ...]


@dataclass(frozen=True, slots=True)
class OutOfStep:
    """The witness says that it cosigned another size last; one above that of the log is an alarm."""

    size: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The witness gave no cosignature, and no size."""

    status: int


def parse_request(data: bytes) -> CheckpointRequest:
    """Read the body of a request; the note is not read yet.

    Raises:
        MalformedError: not a request in every line before the note.

    Spec: C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.8.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedError("a request too long", code=ReasonCode.TOO_LARGE)
    head, cut, note = data.partition(b"\n\n")
    if not cut or not head.isascii():
        raise MalformedError("not a request for a cosignature", code=ReasonCode.BAD_FIELD)
    first, *hashes = head.decode("ascii").split("\n")
    old = _OLD.fullmatch(first)
    if old is None or int(old[1]) > MAX_SIZE:
        raise MalformedError("not a request for a cosignature", code=ReasonCode.BAD_FIELD)
    return CheckpointRequest(int(old[1]), parse_hashes(hashes), note)


def judge(
    data: bytes,
    *,
    log_keys: Callable[[str], Sequence[VerifierKey]],
    seen: Callable[[str], Seen | None],
    at_seconds: int,
) -> Verdict:
    """Say what a request for a cosignature gets.

    Args:
        data: the body.
        log_keys: keys that are trusted for an origin; none if the origin is not known.
        seen: what was cosigned last for an origin, read in the transaction that will store the verdict.
        at_seconds: now, in Unix time; what a cosignature will name.

    Raises:
        LocalProtocolError: the clock stands before the time that was named last (`clock_wrong`).

    Spec: C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.8.
    """
    try:
        request = parse_request(data)
        text, lines = split_note(request.note)
        checkpoint = parse_checkpoint(text)
    except MalformedError:
        return _refused(400, "malformed")
    known = log_keys(checkpoint.origin)
    if not known:
        return _refused(404, "unknown log")
    try:
        by_log = verify_lines(checkpoint, parse_signatures(lines), known).by_log
    except RemoteProtocolError:
        by_log = ()
    if not by_log:
        return _refused(403, "no good signature of the log")
    note = Note(text, tuple(signed.line for signed in by_log))
    before = seen(checkpoint.origin) or Seen(0, b"")
    answer, keep = _continues(request, checkpoint, before)
    if answer is not None:
        return Verdict(answer, checkpoint, note, keep=keep)
    if at_seconds < before.at_seconds:
        raise LocalProtocolError("a clock before the last cosignature", code=ReasonCode.CLOCK_WRONG)
    return Verdict(None, checkpoint, note, Seen(checkpoint.size, checkpoint.root, at_seconds))


def cosigned(verdict: Verdict, name: str, signer: CheckpointSigner) -> tuple[WitnessAnswer, Note]:
    """Cosign what was accepted and has been stored.

    Args:
        verdict: without answer of its own.
        name: of the witness.
        signer: its key.

    Returns:
        The answer, and the checkpoint with the lines of log and witness, for whoever monitors the log.

    Raises:
        LocalProtocolError: it was not accepted.

    Spec: C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.8.
    """
    if verdict.becomes is None or verdict.checkpoint is None or verdict.note is None:
        raise LocalProtocolError("a request that was not accepted")
    lines = cosign(verdict.checkpoint, name, signer, at_seconds=verdict.becomes.at_seconds)
    body = "".join(line.to_text() for line in lines).encode()
    return WitnessAnswer(200, body), verdict.note.with_signatures(lines)


def checkpoint_path(origin: str) -> str:
    """Return where a witness shows its last checkpoint of a log, under its monitoring prefix.

    Spec: C2SP tlog-witness, monitor retrieval.
    """
    return f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


def request_for(note: Note, old_size: int, nodes: NodeReader) -> CheckpointRequest:
    """Ask for a cosignature of a checkpoint of our own log.

    Args:
        note: the signed checkpoint.
        old_size: what the witness cosigned last, as far as we know; 0 is always a good first try.
        nodes: the tree of the log, of that size at least.

    Raises:
        LocalProtocolError: the witness cosigned a larger tree.
    """
    size = parse_checkpoint(note.text).size
    if not 0 <= old_size <= size:
        raise LocalProtocolError("a witness that cosigned more than the log has", code=ReasonCode.LOG_FORK)
    proof = consistency_proof(old_size, size, nodes) if old_size else []
    return CheckpointRequest(old_size, tuple(proof), note.to_bytes())


def parse_answer(
    status: int, content_type: str, body: bytes, *, checkpoint: Checkpoint, witness: Sequence[VerifierKey]
) -> Cosigned | OutOfStep | Declined:
    """Read the answer of a witness to a request for a cosignature.

    Args:
        status: of HTTP.
        content_type: of HTTP, empty if there was none.
        body: at most `MAX_NOTE_BYTES` of it.
        checkpoint: what was to be cosigned.
        witness: keys of this witness.

    Raises:
        MalformedError: lines or a size in another form.
        UntrustedError: a line of the witness that does not hold, or none by it.

    Spec: C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.8.
    """
    if len(body) > MAX_NOTE_BYTES:
        raise MalformedError("an answer too long", code=ReasonCode.TOO_LARGE)
    if status == 200:
        try:
            lines = parse_signatures(body.decode("utf-8", "strict"))
        except UnicodeDecodeError:
            raise MalformedError("an answer that is not UTF-8", code=ReasonCode.BAD_FIELD) from None
        found = verify_lines(checkpoint, lines, (), witnesses=witness).by_witnesses
        if not found:
            raise UntrustedError("an answer without a cosignature of the witness")
        return Cosigned(found)
    if status == 409 and content_type.partition(";")[0].strip().lower() == SIZE_TYPE:
        size = _SIZE.fullmatch(body)
        if size is None or int(size[1]) > MAX_SIZE:
            raise MalformedError("not a size", code=ReasonCode.BAD_FIELD)
        return OutOfStep(int(size[1]))
    return Declined(status)


def _continues(
    request: CheckpointRequest, checkpoint: Checkpoint, before: Seen
) -> tuple[WitnessAnswer | None, bool]:
    """Say whether a checkpoint continues what was cosigned before, and whether it has to be kept."""
    forked = 0 < checkpoint.size == before.size and checkpoint.root != before.root
    if request.old_size > checkpoint.size:
        return _answer(400, "an old size above the size"), forked
    if request.old_size != before.size:
        return WitnessAnswer(409, b"%d\n" % before.size, SIZE_TYPE), forked
    try:
        verify_empty_root(checkpoint)
        if request.old_size == 0:
            if request.proof:
                raise MalformedError("hashes where none are needed")
        else:
            verify_consistency(
                before.size,
                checkpoint.size,
                proof=request.proof,
                old_root=before.root,
                new_root=checkpoint.root,
            )
    except RemoteProtocolError:
        return _answer(422, "the consistency proof does not hold"), True
    return None, False


def _refused(status: int, what: str) -> Verdict:
    return Verdict(_answer(status, what))


def _answer(status: int, what: str) -> WitnessAnswer:
    return WitnessAnswer(status, f"{what}\n".encode())
