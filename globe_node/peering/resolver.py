# SPDX-License-Identifier: Apache-2.0
"""Which addresses this node connects to. A name from the directory may lead anywhere, so each is checked.

1. The addresses that are checked are those that are connected to: the check sits in the resolver and in the
   making of the socket, not before them, so a name that changes between check and use gains nothing.
2. One bad address spoils the whole answer: a name that mixes good and bad ones is an attack or a mistake.
3. Look-ups run on threads of their own: a name server that does not answer delays only who asked it.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from protocol.directory.endpoints import is_address_allowed

MAX_LOOKUPS = 16
"""Threads that wait for name servers."""
MAX_ADDRESSES = 16
"""Of one host; more is no honest answer, and each costs a connection attempt."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Lookup = Callable[[str, int], Sequence[AddressInfo]]


class ForbiddenAddressError(OSError):
    """A host leads to an address that this node does not connect to."""


def system_lookup(host: str, port: int) -> Sequence[AddressInfo]:
    """Ask the operating system; blocks."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class CheckingResolver(AbstractResolver):
    """Resolves host names and refuses what leads to a forbidden place."""

    def __init__(self, *, private_allowed: bool, lookup: Lookup = system_lookup) -> None:
        self._private_allowed = private_allowed
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            ForbiddenAddressError: one of them is forbidden.
            OSError: there are none.

        Spec: PROTOCOL.md section 10.5.
        """
        del family
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)
        results: dict[str, ResolveResult] = {}
        for address_family, _, proto, _, place in found:
            address = str(place[0])
            self.require_allowed(address)
            results[address] = ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=address_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
        if not results or len(results) > MAX_ADDRESSES:
            raise OSError("no usable addresses")
        return list(results.values())

    def require_allowed(self, address: str) -> None:
        """Check one address.

        Raises:
            ForbiddenAddressError: this node does not connect there.
        """
        if not is_address_allowed(address, sample=self._private_allowed):
            raise ForbiddenAddressError("a forbidden address")

    def make_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for one address, which is checked again."""
        family, kind, proto, _, place = info
        self.require_allowed(str(place[0]))
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        """Let go of the threads; look-ups under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
