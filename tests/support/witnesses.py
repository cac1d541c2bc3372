# SPDX-License-Identifier: Apache-2.0
"""A log and witnesses with keys of their own, and policies over them."""

from functools import cache

from keys.log_key import LogKey
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import cosign, log_keys, sign_checkpoint, witness_keys
from protocol.tlog.note import NoteSignature, VerifierKey
from tests.support.entropy import SeededEntropy

ORIGIN = "directory.example"
AT = 1_795_000_000


@cache
def log_key(seed: str = "log") -> LogKey:
    return LogKey.generate(SeededEntropy(seed))


@cache
def keys_of(witness: str) -> tuple[VerifierKey, VerifierKey]:
    return witness_keys(f"{witness}.example", log_key(f"witness {witness}"))


def cosigned(
    checkpoint: Checkpoint, times: dict[str, int], *, with_mldsa: bool = False, log: LogKey | None = None
) -> bytes:
    """Sign a checkpoint by its log, and cosign it at these times: by Ed25519, and by ML-DSA-44 if asked."""
    lines: list[NoteSignature] = []
    for name, at_seconds in times.items():
        made = cosign(checkpoint, f"{name}.example", log_key(f"witness {name}"), at_seconds=at_seconds)
        lines += made if with_mldsa else made[:1]
    return sign_checkpoint(checkpoint, log or log_key()).with_signatures(lines).to_bytes()


def policy_text(rest: str, *, witnesses: int = 7, log: bool = True) -> bytes:
    """A policy with the log and witnesses `w1`, `w2` and so on, and the lines of `rest`."""
    lines = [f"log {key.to_text()}" for key in log_keys(ORIGIN, log_key())] if log else []
    names = [f"w{number}" for number in range(1, witnesses + 1)]
    lines += [f"witness {name} {keys_of(name)[0].to_text()}" for name in names]
    return "\n".join([*lines, rest, ""]).encode()
