# SPDX-License-Identifier: Apache-2.0
"""How a person names the network that he trusts. It reads no file and no settings."""

import re

from globe_node.errors import NotPermittedError, UsageError
from keys import fingerprint
from protocol.identifiers import Digest

_HEX_OR_DIGITS = re.compile(r"[0-9a-f]{64}|[0-9]{30}", re.ASCII)


def pinned_network(named: str, network: Digest) -> Digest:
    """Return the fingerprint to pin: what a person or the settings say, if it is that of the file.

    Args:
        named: 64 hex digits, or the 30 digits that are read aloud; nothing pins nothing.
        network: what the file says of itself.

    Raises:
        NotPermittedError: the file is of another network.
        UsageError: not a fingerprint.
    """
    if not named:
        return Digest("")
    text = named.strip().lower()
    if text == network or fingerprint.is_same(text, network):
        return network
    if not _HEX_OR_DIGITS.fullmatch(text.replace(" ", "")):
        raise UsageError(
            "not a fingerprint", hint="It has 64 hex digits, or 30 decimal digits in groups of five."
        )
    raise NotPermittedError(
        "the file is of another network than the fingerprint says",
        hint="Ask the officers for both again. Do not take it under the fingerprint it names itself.",
    )
