# SPDX-License-Identifier: Apache-2.0
"""Policies and proofs of Sigsum, put into the C2SP forms that they are the model of. Test data only.

Sigsum writes bare keys in hex where C2SP has verifier keys. Its log is named by the hash of its key, and its
checkpoints and cosignatures are those of C2SP.
"""

import hashlib
from collections.abc import Mapping

from protocol.octets import base64_text
from protocol.tlog.merkle import leaf_hash
from protocol.tlog.note import KeyKind, verifier_key


def origin_of(key_hash: str) -> str:
    return f"sigsum.org/v1/tree/{key_hash}"


def policy_text(text: str) -> str:
    """Replace each bare key; nothing else changes."""
    lines = []
    for line in text.split("\n"):
        words = line.split()
        if words[:1] == ["log"]:
            raw = bytes.fromhex(words[1])
            words[1] = verifier_key(
                origin_of(hashlib.sha256(raw).hexdigest()), KeyKind.ED25519, raw
            ).to_text()
        elif words[:1] == ["witness"]:
            raw = bytes.fromhex(words[2])
            words[2] = verifier_key(words[1], KeyKind.ED25519_COSIGNATURE, raw).to_text()
        lines.append(" ".join(words))
    return "\n".join(lines).rstrip("\n") + "\n"


def witness_names(text: str) -> Mapping[str, tuple[str, bytes]]:
    """Return name and key of each witness of a policy by the hash of its key."""
    found = {}
    for line in text.split("\n"):
        words = line.split()
        if words[:1] == ["witness"]:
            raw = bytes.fromhex(words[2])
            found[hashlib.sha256(raw).hexdigest()] = (words[1], raw)
    return found


def as_log_proof(proof: str, message: bytes, submitter: bytes, policy: str) -> tuple[bytes, bytes]:
    """Write a proof of Sigsum as a tlog-proof, with the witnesses that its policy names.

    Returns:
        The proof, and the hash of the leaf that it is about.
    """
    fields: dict[str, list[list[str]]] = {}
    for line in proof.split("\n"):
        name, _, value = line.partition("=")
        fields.setdefault(name, []).append(value.split())
    log_hash = fields["log"][0][0]
    log_raw = next(
        raw
        for raw in (bytes.fromhex(line.split()[1]) for line in policy.split("\n") if line.startswith("log "))
        if hashlib.sha256(raw).hexdigest() == log_hash
    )
    origin = origin_of(log_hash)
    root = base64_text(bytes.fromhex(fields["root_hash"][0][0]))
    note = f"{origin}\n{fields['size'][0][0]}\n{root}\n\n"
    log_key = verifier_key(origin, KeyKind.ED25519, log_raw)
    note += f"— {origin} {base64_text(log_key.key_id + bytes.fromhex(fields['signature'][0][0]))}\n"
    known = witness_names(policy)
    for key_hash, at_seconds, signature in fields["cosignature"]:
        name, raw = known.get(key_hash, (f"unknown.example/{key_hash[:8]}", bytes(32)))
        key_id = (
            verifier_key(name, KeyKind.ED25519_COSIGNATURE, raw).key_id if key_hash in known else bytes(4)
        )
        content = key_id + int(at_seconds).to_bytes(8, "big") + bytes.fromhex(signature)
        note += f"— {name} {base64_text(content)}\n"
    hashes = "".join(f"{base64_text(bytes.fromhex(item[0]))}\n" for item in fields["node_hash"])
    head = f"c2sp.org/tlog-proof@v1\nindex {fields['leaf_index'][0][0]}\n{hashes}\n"
    checksum = hashlib.sha256(hashlib.sha256(message).digest()).digest()
    leaf = checksum + bytes.fromhex(fields["leaf"][0][2]) + hashlib.sha256(submitter).digest()
    return (head + note).encode(), leaf_hash(leaf)
