# SPDX-License-Identifier: Apache-2.0
"""Where a node may be reached, judged as text and as address. It resolves no name and opens no connection.

1. An endpoint is `https://host` or `https://host:port` in its one written form; 443 is never written.
2. The host is a name in lower-case ASCII (other scripts as A-labels) or an address in its normal form.
3. Names and addresses that mean "this machine" or "this network" are refused, at admission and again for
   every address a name resolves to. Only a sample network may use loopback, private and link-local ones.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from protocol.errors import MalformedError, ReasonCode

MAX_ENDPOINT_CHARACTERS = 280
DEFAULT_PORT = 443
LOWEST_OTHER_PORT = 1024
"""Below it live other services (22, 25): a node must not be talked into speaking to them."""

_ENDPOINT = re.compile(r"https://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?", re.ASCII)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LOCAL_NAMES = {"localhost", "local", "internal", "invalid", "onion", "test", "lan", "localdomain"}
_GLOBAL_UNICAST = 0b001
_SIX_TO_FOUR = 0x2002
_METADATA = {"169.254.169.254", "fd00:ec2::254"}
"""Where clouds answer with credentials; never a peer, not even in a sample network."""
_AT_HOME: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")),
    *map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")),
)


@dataclass(frozen=True, slots=True)
class HostPort:
    """An endpoint taken apart.

    Attributes:
        host: a name, or an address without brackets.
        port: 443, or 1024 to 65535.
        is_address: whether the host is an address.
    """

    host: str
    port: int
    is_address: bool


def parse_endpoint(url: str, *, sample: bool) -> HostPort:
    """Judge and take apart the URL of a node.

    Args:
        url: untrusted text.
        sample: whether the network root says that this is a sample network.

    Raises:
        MalformedError: any form or place that is not allowed (`endpoint_forbidden`).

    Spec: PROTOCOL.md section 10.5.
    """
    match = _ENDPOINT.fullmatch(url) if len(url) <= MAX_ENDPOINT_CHARACTERS else None
    if match is None:
        raise _forbidden("an endpoint is https://host or https://host:port, in lower-case ASCII")
    host, digits = match.group(1), match.group(2)
    port = int(digits) if digits else DEFAULT_PORT
    if digits and (port == DEFAULT_PORT or not LOWEST_OTHER_PORT <= port <= 65535):
        raise _forbidden("the port must be 443 (not written) or 1024 to 65535")
    if host.startswith("["):
        return HostPort(_require_address(host[1:-1], sample=sample), port, is_address=True)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return HostPort(_require_address(host, sample=sample), port, is_address=True)
    _require_name(host, sample=sample)
    return HostPort(host, port, is_address=False)


def is_address_allowed(address: str, *, sample: bool) -> bool:
    """Whether a node may connect to an address; for every address a name resolves to.

    Args:
        address: an IPv4 or IPv6 address as the resolver wrote it, without scope id.
        sample: whether the network root says that this is a sample network.

    Spec: PROTOCOL.md section 10.5.
    """
    parsed = _address(address)
    if parsed is None or str(parsed) in _METADATA or parsed.is_multicast:
        return False
    if sample and any(parsed in network for network in _AT_HOME):
        return True
    if isinstance(parsed, IPv6Address):
        bits = int(parsed)
        if bits >> 125 != _GLOBAL_UNICAST or bits >> 112 == _SIX_TO_FOUR:
            return False
    return parsed.is_global


def _require_address(text: str, *, sample: bool) -> str:
    parsed = _address(text)
    if parsed is None or str(parsed) != text:
        raise _forbidden("an address must be written in its normal form")
    if not is_address_allowed(text, sample=sample):
        raise _forbidden("this address is not reachable by all peers")
    return text


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if "%" in text:
        return None
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None


def _require_name(host: str, *, sample: bool) -> None:
    parts = host.split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(part) for part in parts):
        raise _forbidden("not a host name")
    if not all(_is_plain_or_a_label(part) for part in parts):
        raise _forbidden("a name outside ASCII must be written as A-labels")
    if sample and host == "localhost":
        return
    if len(parts) < 2 or parts[-1] in _LOCAL_NAMES or host.endswith(".home.arpa"):
        raise _forbidden("this name is not reachable by all peers")


def _is_plain_or_a_label(part: str) -> bool:
    """Whether a label is plain, or an A-label that decodes to lower-case text beyond ASCII and back."""
    if part[2:4] != "--":
        return True
    if not part.startswith("xn--"):
        return False
    try:
        text = part[4:].encode("ascii").decode("punycode")
        again = text.encode("punycode").decode("ascii")
    except (UnicodeError, OverflowError, ValueError):
        return False
    letters = all(unicodedata.category(character)[0] in "LMN" or character in "-\u00b7" for character in text)
    return letters and not text.isascii() and text == _folded(text) and again == part[4:]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _forbidden(rule: str) -> MalformedError:
    return MalformedError(rule, code=ReasonCode.ENDPOINT_FORBIDDEN)
