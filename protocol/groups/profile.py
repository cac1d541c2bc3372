# SPDX-License-Identifier: Apache-2.0
"""What every group of this network looks like: suite, capabilities, extensions of the context.

Not the judgement of changes, which is `policy`.

1. One suite; the network's version fixes it, and nothing is negotiated.
2. The context of a group has exactly two extensions: `required_capabilities` in one form, and
   `consultation`. Any other is refused: a group must not mean more to one member than to another.
3. In leaves and key packages what is not known is ignored, and a member lists some numbers that mean
   nothing, so that software that stumbles over them is found early (GREASE).
"""

from collections.abc import Sequence
from datetime import datetime

from protocol.errors import MalformedError, ReasonCode
from protocol.groups.certificate import LeafCertificate
from protocol.groups.extension import (
    CONSULTATION_EXTENSION,
    ConsultationExtension,
    parse_consultation_extension,
)
from protocol.interfaces import Entropy
from protocol.mls.structures.extensions import (
    CredentialType,
    Extension,
    Extensions,
    ExtensionType,
    RequiredCapabilities,
    find_extension,
)
from protocol.mls.structures.nodes import PROTOCOL_VERSION, Capabilities, Lifetime
from protocol.mls.suites import PRODUCT_SUITE
from protocol.octets import Reader

GROUP_ID_BYTES = 32
"""A group id is drawn by whoever opens the group, and never again."""
REQUIRED_CAPABILITIES = RequiredCapabilities(
    extensions=(CONSULTATION_EXTENSION,), credentials=(CredentialType.BASIC,)
).to_bytes()
"""What every member supports, as it stands in every context."""
GREASE = tuple(0x0A0A + 0x1010 * step for step in range(15))
"""Numbers that mean nothing, 0x0A0A to 0xEAEA (RFC 9420 section 13.5)."""
_CONTEXT = {ExtensionType.REQUIRED_CAPABILITIES, CONSULTATION_EXTENSION}


def capabilities(entropy: Entropy) -> Capabilities:
    """Return what a leaf of ours says it supports, with one number in each list that means nothing.

    Spec: RFC 9420 sections 7.2 and 13.5; PROTOCOL.md section 16.4.
    """
    drawn = Reader(entropy.random_bytes(4))
    suite, extension, proposal, credential = (GREASE[drawn.u8() % len(GREASE)] for _ in range(4))
    return Capabilities(
        versions=(PROTOCOL_VERSION,),
        cipher_suites=(PRODUCT_SUITE.number, suite),
        extensions=(CONSULTATION_EXTENSION, ExtensionType.LAST_RESORT_KEY_PACKAGE, extension),
        proposals=(proposal,),
        credentials=(CredentialType.BASIC, credential),
    )


def verify_capabilities(supported: Capabilities) -> None:
    """Check that a leaf supports what every group of this network needs; what is unknown is ignored.

    Raises:
        MalformedError: it does not (`bad_content`).

    Spec: PROTOCOL.md section 16.4.
    """
    if (
        PROTOCOL_VERSION not in supported.versions
        or PRODUCT_SUITE.number not in supported.cipher_suites
        or CONSULTATION_EXTENSION not in supported.extensions
        or CredentialType.BASIC not in supported.credentials
    ):
        raise MalformedError("a leaf that does not support these groups", code=ReasonCode.BAD_CONTENT)


def leaf_lifetime(certificate: LeafCertificate) -> Lifetime:
    """Return the lifetime of a key package under a leaf certificate: whole seconds within its time."""
    not_before, not_after = certificate.not_before, certificate.not_after
    begins = int(not_before.timestamp()) + (1 if not_before.microsecond else 0)
    ends = int(not_after.timestamp()) - (0 if not_after.microsecond else 1)
    return Lifetime(begins, ends)


def context_extensions(consultation: ConsultationExtension) -> Extensions:
    """Return the extensions of a group context, in their order.

    Raises:
        LocalProtocolError: a value that nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.4.
    """
    return (
        Extension(ExtensionType.REQUIRED_CAPABILITIES, REQUIRED_CAPABILITIES),
        Extension(CONSULTATION_EXTENSION, consultation.to_bytes()),
    )


def parse_context_extensions(extensions: Sequence[Extension]) -> ConsultationExtension:
    """Read the extensions of a group context, in any order.

    Raises:
        MalformedError: one more, one less, or one outside its rule.

    Spec: PROTOCOL.md section 16.4.
    """
    if len(extensions) != len(_CONTEXT) or {found.extension_type for found in extensions} != _CONTEXT:
        raise MalformedError("a group with other extensions", code=ReasonCode.BAD_CONTENT)
    if find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES) != REQUIRED_CAPABILITIES:
        raise MalformedError("a group that asks for other capabilities", code=ReasonCode.BAD_CONTENT)
    return parse_consultation_extension(find_extension(extensions, CONSULTATION_EXTENSION) or b"")


def unix_seconds(at: datetime) -> int:
    """Return the whole seconds of Unix time at a moment."""
    return int(at.timestamp())
