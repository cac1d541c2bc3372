# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what a log says about its tree, as text. Not the signatures under it: see `cosignature`.

1. Three lines: origin, size, root; each has one written form, and nothing else is taken.
2. The origin is the identity of the log. It need not be a name that a key can have: a real one has blanks.
3. Extension lines of other logs are read and kept. Ours have none: what ML-DSA does not sign has no place.
"""

import re
from dataclasses import dataclass

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.octets import base64_text, parse_base64
from protocol.tlog.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE

MAX_EXTENSION_LINES = 16
_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n((?:[^\n]+\n)*)")
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's statement about its tree.

    Attributes:
        origin: the one name of the log.
        size: number of leaves.
        root: 32 bytes.
        extension: further lines, which say nothing that anybody verifies.
    """

    origin: str
    size: int
    root: bytes
    extension: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Write the text that is signed.

        Raises:
            LocalProtocolError: an origin, size, root or line that no checkpoint can have.

        Spec: C2SP tlog-checkpoint 1.0, note text; PROTOCOL.md section 17.2.
        """
        lines = (self.origin, *self.extension)
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise LocalProtocolError("not a size and root of a tree")
        if len(lines) > MAX_EXTENSION_LINES + 1 or any(not line or _CONTROL.search(line) for line in lines):
            raise LocalProtocolError("not a line of a checkpoint")
        return f"{self.origin}\n{self.size}\n{base64_text(self.root)}\n" + "".join(
            f"{line}\n" for line in self.extension
        )


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        MalformedError: not lines of a checkpoint, a size or root out of bounds, or too many lines.

    Spec: C2SP tlog-checkpoint 1.0, note text; PROTOCOL.md section 17.2.
    """
    match = _TEXT.fullmatch(text)
    if not match or int(match[2]) > MAX_SIZE or _CONTROL.search(text.replace("\n", "")):
        raise MalformedError("not a checkpoint", code=ReasonCode.BAD_FIELD)
    extension = tuple(match[4].split("\n")[:-1])
    if len(extension) > MAX_EXTENSION_LINES:
        raise MalformedError("a checkpoint with too many lines", code=ReasonCode.TOO_LARGE)
    return Checkpoint(match[1], int(match[2]), parse_base64(match[3]), extension)


def verify_empty_root(checkpoint: Checkpoint) -> None:
    """Check that a checkpoint of size zero has the one root of an empty tree.

    Raises:
        MalformedError: it has another.

    Spec: RFC 6962 section 2.1; C2SP tlog-witness, add-checkpoint.
    """
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise MalformedError("an empty tree with another root", code=ReasonCode.BAD_FIELD)
