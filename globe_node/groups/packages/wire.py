# SPDX-License-Identifier: Apache-2.0
"""What two nodes say about key packages. Nothing in an answer is trusted here: `stock` judges each package.

1. Who asks says how many it wants, which it holds unused, and which it has used; so the other side gives what
   is new, and says which of the held ones it no longer honours.
2. Lists of references stand in strictly rising order: one written form.
3. Certificates stand once, whatever number of packages name them.

request = u8 1 || u16 want || refs held || refs used
answer  = u8 1 || u16 n || n * op(leaf certificate) || u16 m || m * op(key package) || refs gone
refs    = u16 k || k * reference (48 octets)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from protocol import limits
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES
from protocol.octets import Reader, Writer

REFERENCE_BYTES = 48
"""The hash of the one suite."""
MAX_REFERENCES = 2_048
MAX_CERTIFICATES = 16
_VERSION = 1


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """A wish for key packages of the node that is asked.

    Attributes:
        want: how many more, 1 to 256.
        held: references of its packages that were not used yet.
        used: references of its packages that were.
    """

    want: int
    held: tuple[bytes, ...] = ()
    used: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """Write the request.

        Spec: PROTOCOL.md section 11.5.
        """
        writer = Writer().u8(_VERSION).u16(self.want)
        _write_references(writer, self.held)
        _write_references(writer, self.used)
        return writer.to_bytes()


@dataclass(frozen=True, slots=True)
class PackageAnswer:
    """Key packages of the node that answers.

    Attributes:
        certificates: leaf certificates that the packages name.
        packages: those that the asking node does not hold, and one of last resort if it lacks that.
        gone: references of held ones that must not be used.
    """

    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    packages: tuple[bytes, ...] = field(default=(), repr=False)
    gone: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """Write the answer.

        Spec: PROTOCOL.md section 11.5.
        """
        writer = Writer().u8(_VERSION)
        for items in (self.certificates, self.packages):
            writer.u16(len(items))
            for item in items:
                writer.op(item)
        _write_references(writer, self.gone)
        return writer.to_bytes()


def parse_package_request(body: bytes) -> PackageRequest:
    """Read a request.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too many (`too_large`), or a number or order outside the rule.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    want = reader.u16()
    held, used = _read_references(reader), _read_references(reader)
    reader.finish()
    if not 1 <= want <= limits.MAX_KEY_PACKAGES:
        raise MalformedError("a wish for none or too many key packages", code=ReasonCode.BAD_FIELD)
    return PackageRequest(want, held, used)


def parse_package_answer(body: bytes) -> PackageAnswer:
    """Read an answer; what is in it is not judged.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too many (`too_large`), or references out of order.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    certificates = _read_items(reader, MAX_CERTIFICATES, MAX_LEAF_CERTIFICATE_BYTES)
    packages = _read_items(reader, limits.MAX_KEY_PACKAGES + 1, limits.MAX_KEY_PACKAGE_BYTES)
    gone = _read_references(reader)
    reader.finish()
    return PackageAnswer(certificates, packages, gone)


def in_order(references: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return references in the order in which they are written, no more than may be."""
    return tuple(sorted(set(references)))[:MAX_REFERENCES]


def _begin(body: bytes) -> Reader:
    reader = Reader(body)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("not a version of the exchange that this node speaks")
    return reader


def _write_references(writer: Writer, references: tuple[bytes, ...]) -> None:
    writer.u16(len(references))
    for reference in references:
        writer.raw(reference)


def _read_references(reader: Reader) -> tuple[bytes, ...]:
    count = reader.u16()
    if count > MAX_REFERENCES:
        raise MalformedError("too many references", code=ReasonCode.TOO_LARGE)
    found = tuple(reader.raw(REFERENCE_BYTES) for _ in range(count))
    if any(first >= second for first, second in pairwise(found)):
        raise MalformedError("references out of order", code=ReasonCode.BAD_CONTENT)
    return found


def _read_items(reader: Reader, most: int, max_bytes: int) -> tuple[bytes, ...]:
    count = reader.u16()
    if count > most:
        raise MalformedError(f"more than {most} items", code=ReasonCode.TOO_LARGE)
    return tuple(reader.op(max_bytes, 1) for _ in range(count))
