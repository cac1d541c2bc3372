# SPDX-License-Identifier: Apache-2.0
"""Rules for key packages: which may be used, and how long a Welcome for one is taken.

Not their form and signatures, which are RFC 9420's, nor whose they are, which `policy` asks.

1. A package is used while its lifetime, of at most 30 days, covers the moment; each peer gets packages of
   its own, and each is used once.
2. One more is the *last resort*, marked by an extension: it may be used again, for one new group an hour.
   It is made anew every 7 days.
3. A Welcome is taken until 14 days after the lifetime ended; then the private keys are deleted.
4. Init key, leaf key and signature key differ from each other. Init key and leaf key differ from all that
   this node has seen before; the signature key is that of a certificate, and many packages share one.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from protocol.errors import (
    ExpiredError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.groups.certificate import LEAF_LIFETIME
from protocol.groups.profile import unix_seconds
from protocol.mls.structures.extensions import Extension, ExtensionType, find_extension
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.nodes import Lifetime
from protocol.mls.suites import PRODUCT_SUITE

LAST_RESORT = Extension(ExtensionType.LAST_RESORT_KEY_PACKAGE, b"")
"""Marks a key package that may be used more than once."""
LAST_RESORT_RENEWAL = timedelta(days=7)
"""How old the last resort gets before another one is published."""
LAST_RESORT_PAUSE = timedelta(hours=1)
"""Least time between two groups that are opened with the last resort of one peer."""
WELCOME_GRACE = timedelta(days=14)
"""How long after its lifetime a Welcome for a package is taken."""


def is_last_resort(package: KeyPackage) -> bool:
    """Say whether a package may be used more than once."""
    return find_extension(package.extensions, LAST_RESORT.extension_type) == LAST_RESORT.data


def verify_usable(package: KeyPackage, at: datetime) -> None:
    """Check that a package may be used at a moment.

    Raises:
        UnsupportedVersionError: for another suite.
        MalformedError: a lifetime that is too long, or keys that are not distinct (`bad_content`).
        ExpiredError: its lifetime is over.
        RemoteProtocolError: its lifetime has not begun (`not_yet_valid`).

    Spec: RFC 9420 sections 7.2 and 10.1; PROTOCOL.md section 16.8.
    """
    if package.cipher_suite != PRODUCT_SUITE.number:
        raise UnsupportedVersionError("a key package for another suite")
    used = (package.init_key, package.leaf_node.encryption_key, package.leaf_node.signature_key)
    if len(set(used)) != len(used):
        raise MalformedError("a key package with one key for two uses", code=ReasonCode.BAD_CONTENT)
    lifetime = _lifetime_of(package)
    if not 0 <= lifetime.not_after - lifetime.not_before <= LEAF_LIFETIME.total_seconds():
        raise MalformedError("a key package with a lifetime over the limit", code=ReasonCode.BAD_CONTENT)
    if unix_seconds(at) < lifetime.not_before:
        raise RemoteProtocolError("a key package whose time has not begun", code=ReasonCode.NOT_YET_VALID)
    if unix_seconds(at) > lifetime.not_after:
        raise ExpiredError("a key package whose time is over")


def key_marks(package: KeyPackage) -> tuple[bytes, bytes]:
    """Return the hashes by which a node remembers what serves once: init key, leaf key."""
    return sha256(package.init_key).digest(), sha256(package.leaf_node.encryption_key).digest()


def verify_welcome_in_time(package: KeyPackage, at: datetime) -> None:
    """Check that a Welcome for one of our packages may still be taken.

    Raises:
        ExpiredError: the time of the package ended too long ago.

    Spec: PROTOCOL.md section 16.8.
    """
    if at >= private_keys_end(package):
        raise ExpiredError("a Welcome for a key package whose time is long over")


def private_keys_end(package: KeyPackage) -> datetime:
    """Return when the private keys of one of our packages are deleted, if no Welcome came."""
    ends = _lifetime_of(package).not_after + 1 + int(WELCOME_GRACE.total_seconds())
    try:
        return datetime.fromtimestamp(ends, UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedError("a lifetime that ends at no moment", code=ReasonCode.BAD_CONTENT) from None


def is_last_resort_due(made: datetime | None, now: datetime) -> bool:
    """Say whether a last resort should be published: there is none, or it is old."""
    return made is None or now >= made + LAST_RESORT_RENEWAL


def _lifetime_of(package: KeyPackage) -> Lifetime:
    lifetime = package.leaf_node.lifetime
    if lifetime is None:
        raise MalformedError("a key package without a lifetime", code=ReasonCode.BAD_CONTENT)
    return lifetime
