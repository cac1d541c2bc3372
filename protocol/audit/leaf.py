# SPDX-License-Identifier: Apache-2.0
"""One entry of an audit log: a public leaf of salted digests, and the secret that opens it. Stores nothing.

1. The leaf is the payload of an SD-JWT: each field can be shown alone, and hides for ever once the secret is
   destroyed. It is never written again from its value: the bytes are kept.
2. Every leaf has 16 digests; what is absent is a decoy, so that their number says nothing about the act.
3. All salts come from one random `ek` of 32 bytes by SHAKE256; showing one tells nothing about the others.
4. The secret is `ek`, then the values, and a shared `rc`, as canonical JSON; whoever keeps it seals it.
5. `verify_entry` derives the leaf from the secret again and compares every byte.
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from protocol import canonical
from protocol.audit.events import FIELDS, MAX_FIELDS, AuditEvent, Value, event_of
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.tlog.merkle import leaf_hash

EK_BYTES = 32
MAX_LEAF_BYTES = 2048
MAX_SECRET_BYTES = 8192
MAX_DISCLOSURE_CHARACTERS = 2048
RETENTION_CLASS = "a"
"""The one class so far: kept for the legal minimum, then forgotten with its period."""

_SALT_BYTES = 18
_DIGEST_CHARACTERS = 43
_SALT_CUTS = tuple(slice(at, at + 24) for at in range(0, 24 * MAX_FIELDS, 24))
"""Where the salts are in the base64 of the stream: 18 octets give 24 characters."""
_DIGEST_CUTS = tuple(slice(at, at + 43) for at in range(0, 44 * (MAX_FIELDS + 1), 44))
"""Where digests and `rc` are in base64, when each of 32 octets has a filling octet behind it."""
_MIDDLES = tuple((f'","{name}","', f'","{name}",') for name in FIELDS)
_STREAM_BYTES = MAX_FIELDS * _SALT_BYTES + 32
_URL = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_PERIOD = re.compile(rb',"kt":"([0-9]{4}-[0-9]{2}-[0-9]{2}/[a-z])","rc":"', re.ASCII)
_BY_NAME = tuple(sorted([*((name, slot) for slot, name in enumerate(FIELDS)), ("rc", -1)]))
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Entry:
    """A built entry.

    Attributes:
        leaf: what the log holds and anybody may see.
        leaf_hash: its hash as a leaf of the tree.
        secret: what opens it; to be sealed.
        period: retention class and key period, as in the leaf.
    """

    leaf: bytes
    leaf_hash: bytes
    secret: bytes
    period: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says in clear.

    Attributes:
        digests: 16 texts of 43 characters, sorted.
        at_seconds: Unix time.
        period: retention class and key period.
        rc: the reconciliation value, 32 bytes; random where no other authority took part.
    """

    digests: tuple[str, ...]
    at_seconds: int
    period: str
    rc: bytes


def period_of(at: datetime) -> str:
    """Name the key period of a moment: the Monday of its week and the retention class, `2026-11-23/a`."""
    return _period_of_day(at.astimezone(UTC).toordinal())


@lru_cache(maxsize=64)
def _period_of_day(ordinal: int) -> str:
    day = date.fromordinal(ordinal)
    return f"{day - timedelta(days=day.weekday())}/{RETENTION_CLASS}"


def reconciliation_value(nonce: bytes, envelope_hash: bytes) -> bytes:
    """Return what the entries of both ends of one envelope carry, and nobody between them can compute.

    Args:
        nonce: 32 random bytes from inside the sealed part.
        envelope_hash: SHA-256 of the envelope.
    """
    return _sha256(b"rc/v1\x00" + nonce + envelope_hash).digest()


def build_entry(event: AuditEvent, ek: bytes) -> Entry:
    """Build the entry of one act.

    Args:
        event: the act.
        ek: 32 random bytes, for this entry alone.

    Raises:
        LocalProtocolError: a value has no place in an entry.

    Spec: PROTOCOL.md section 13; RFC 9901 section 4.2.
    """
    if len(ek) != EK_BYTES:
        raise LocalProtocolError("the secret of an entry has 32 random bytes")
    return _build(event.values(), ek, int(event.at.timestamp()), period_of(event.at), event.rc)


def verify_entry(leaf: bytes, secret: bytes) -> AuditEvent:
    """Check that a secret opens exactly this leaf, and return the act.

    Raises:
        MalformedError: the secret is not of the form.
        UntrustedError: the secret belongs to another leaf, or one of the two was changed.
    """
    event = _parse_secret(secret)
    if build_entry(event, secret[:EK_BYTES]).leaf != leaf:  # equal to a leaf we built, it has the form of one
        raise UntrustedError(
            "the leaf and its secret do not belong together", code=ReasonCode.LOG_INCONSISTENT
        )
    return event


def period_in(leaf: bytes) -> str:
    """Return the period that a leaf names, to find the key for it; nothing else of the leaf is looked at.

    Raises:
        MalformedError: it names none.
    """
    match = _PERIOD.search(leaf)
    if not match:
        raise MalformedError("a leaf without a period", code=ReasonCode.BAD_FIELD)
    return match[1].decode("ascii")


def parse_leaf(data: bytes) -> Leaf:
    """Read a leaf.

    Raises:
        MalformedError: not the form, or digests unsorted or doubled.
    """
    value = canonical.parse_object(data, MAX_LEAF_BYTES)
    if set(value) != {"_sd", "_sd_alg", "iat", "kt", "rc", "v"}:
        raise MalformedError("not the members of a leaf", code=ReasonCode.UNKNOWN_FIELD)
    digests, at_seconds, period, rc = value["_sd"], value["iat"], value["kt"], value["rc"]
    if (
        value["_sd_alg"] != "sha-256"
        or value["v"] != 1
        or isinstance(value["v"], bool)
        or not isinstance(digests, list)
        or not isinstance(at_seconds, int)
        or isinstance(at_seconds, bool)
        or not isinstance(period, str)
        or not isinstance(rc, str)
    ):
        raise MalformedError("not the values of a leaf", code=ReasonCode.BAD_FIELD)
    for digest in digests:
        _require_digest(digest)
    if len(digests) != MAX_FIELDS or sorted(set(digests)) != digests:
        raise MalformedError("digests that are not 16, sorted and different", code=ReasonCode.BAD_FIELD)
    return Leaf(tuple(digests), at_seconds, period, _require_digest(rc))


def disclosures(secret: bytes) -> dict[str, str]:
    """Return the disclosure of each field that is present, by its name."""
    values = _parse_secret(secret).values()
    salts = _salts(_stream(secret[:EK_BYTES]))
    return {
        name: _url_text(canonical.to_bytes([salt, name, value]))
        for name, salt, value in zip(FIELDS, salts, values, strict=False)
        if value is not None
    }


def verify_disclosures(leaf: bytes, shown: Sequence[str]) -> dict[str, Value]:
    """Check what somebody shows of an entry, and return the fields.

    Raises:
        MalformedError: a disclosure is not of the form, or names a field twice.
        UntrustedError: a disclosure that the leaf does not hold, or one shown twice.

    Spec: RFC 9901 section 7.1.
    """
    public = set(parse_leaf(leaf).digests)
    fields: dict[str, Value] = {}
    for text in shown:
        name, value = parse_disclosure(text)
        digest = disclosure_digest(text)
        if digest not in public:
            raise UntrustedError("a disclosure that the leaf does not hold")
        public.discard(digest)
        if name in fields:
            raise MalformedError("a field shown twice", code=ReasonCode.BAD_FIELD)
        fields[name] = value
    return fields


def parse_disclosure(text: str) -> tuple[str, Value]:
    """Read one disclosure into name and value.

    Spec: RFC 9901 section 4.2.1.
    """
    if len(text) > MAX_DISCLOSURE_CHARACTERS:
        raise MalformedError("a disclosure too long", code=ReasonCode.TOO_LARGE)
    value = canonical.read_json(_from_url_text(text), MAX_DISCLOSURE_CHARACTERS)
    if not isinstance(value, list) or len(value) != 3:
        raise MalformedError("not a disclosure", code=ReasonCode.BAD_FIELD)
    salt, name, shown = value
    if not isinstance(salt, str) or not isinstance(name, str) or not isinstance(shown, str | int):
        raise MalformedError("not a disclosure", code=ReasonCode.BAD_FIELD)
    return name, shown


def disclosure_digest(text: str) -> str:
    """Return the digest a leaf holds for a disclosure.

    Spec: RFC 9901 section 4.2.3.
    """
    return _url_text(_sha256(text.encode("ascii")).digest())


def _build(values: Sequence[Value | None], ek: bytes, at_seconds: int, period: str, rc: bytes) -> Entry:
    """Build an entry; what can be done for all fields at once, is: every message pays for this."""
    stream = _stream(ek)
    salts = _salts(stream)
    shown, decoys = [], salts[len(values) :]
    for salt, (before_word, before_number), value in zip(salts, _MIDDLES, values, strict=False):
        if value is None:
            decoys.append(salt)
        elif isinstance(value, str):
            shown.append(f'["{salt}{before_word}{value}"]')  # a word needs no escape
        else:
            shown.append(f'["{salt}{before_number}{value}]')
    coded = [b2a_base64(line, newline=False) for line in "\n".join(shown).encode("ascii").split(b"\n")]
    hashed = b"\n".join(coded).translate(_URL, b"=").split(b"\n")
    hashed += [decoy.encode("ascii") for decoy in decoys]
    raw = [_sha256(text).digest() for text in hashed]
    raw.append(rc or stream[-32:])
    joined = b2a_base64(b"\x00".join(raw), newline=False).translate(_URL).decode("ascii")
    texts = [joined[cut] for cut in _DIGEST_CUTS]
    rc_text = texts.pop()
    texts.sort()
    leaf = (
        '{"_sd":["' + '","'.join(texts) + f'"],"_sd_alg":"sha-256","iat":{at_seconds},'
        f'"kt":"{period}","rc":"{rc_text}","v":1}}'
    ).encode("ascii")
    return Entry(leaf, leaf_hash(leaf), ek + _values_json(values, rc_text if rc else ""), period)


def _stream(ek: bytes) -> bytes:
    return hashlib.shake_256(b"salts/v1" + ek).digest(_STREAM_BYTES)


def _salts(stream: bytes) -> list[str]:
    text = b2a_base64(stream[: MAX_FIELDS * _SALT_BYTES], newline=False).translate(_URL).decode("ascii")
    return [text[cut] for cut in _SALT_CUTS]


def _values_json(values: Sequence[Value | None], rc_text: str) -> bytes:
    members = []
    for name, slot in _BY_NAME:
        value = values[slot] if slot >= 0 else rc_text or None
        if value is not None:
            members.append(f'"{name}":"{value}"' if isinstance(value, str) else f'"{name}":{value}')
    return ("{" + ",".join(members) + "}").encode("ascii")


def _parse_secret(secret: bytes) -> AuditEvent:
    if len(secret) < EK_BYTES:
        raise MalformedError("the secret of an entry is too short")
    values = dict(canonical.parse_object(secret[EK_BYTES:], MAX_SECRET_BYTES))
    rc = values.pop("rc", None)
    return event_of(values, b"" if rc is None else _require_digest(rc))


def _require_digest(text: object) -> bytes:
    if not isinstance(text, str) or len(text) != _DIGEST_CHARACTERS:
        raise MalformedError("not a digest", code=ReasonCode.BAD_FIELD)
    return _from_url_text(text)


def _url_text(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URL).rstrip(b"=").decode("ascii")


def _from_url_text(text: str) -> bytes:
    try:
        data = a2b_base64(text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4))
        same = _url_text(data) == text
    except ValueError:
        same = False
    if not same:
        raise MalformedError("not base64url in its one form", code=ReasonCode.BAD_FIELD)
    return data
