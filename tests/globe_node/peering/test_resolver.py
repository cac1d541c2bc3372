# SPDX-License-Identifier: Apache-2.0
"""D12 and D13: where names may lead, checked where the connection is made."""

import socket
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from globe_node.delivery.link import Operation
from globe_node.peering.client import HTTPTransport
from globe_node.peering.faults import LineError, LineFault
from globe_node.peering.resolver import AddressInfo, CheckingResolver, ForbiddenAddressError, Lookup
from tests.support.line import address_of, running_site, tls_identity

GLOBAL = "198.41.0.4"
BAD = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 -- an address that must be refused
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:198.41.0.4",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001::1",
    "not an address",
]


def answering(*addresses: str) -> Lookup:
    def lookup(_host: str, port: int) -> Sequence[AddressInfo]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in addresses
        ]

    return lookup


async def resolved(*addresses: str, private_allowed: bool = False) -> list[str]:
    resolver = CheckingResolver(private_allowed=private_allowed, lookup=answering(*addresses))
    try:
        return [result["host"] for result in await resolver.resolve("node.xb.example", 443)]
    finally:
        await resolver.close()


async def test_global_addresses_pass_once_each() -> None:
    assert await resolved(GLOBAL, "2001:4860:4860::8888", GLOBAL) == [GLOBAL, "2001:4860:4860::8888"]


@pytest.mark.parametrize("address", BAD)
async def test_d12_an_address_that_is_not_global_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        await resolved(address)


async def test_d13_one_bad_address_spoils_the_whole_answer() -> None:
    with pytest.raises(ForbiddenAddressError):
        await resolved(GLOBAL, "127.0.0.1")


async def test_no_addresses_and_too_many_are_refused() -> None:
    for addresses in ((), [f"198.41.{n}.4" for n in range(17)]):
        with pytest.raises(OSError, match="no usable"):
            await resolved(*addresses)


async def test_a_sample_network_may_use_loopback_but_not_the_metadata_of_a_cloud() -> None:
    assert await resolved("127.0.0.1", "10.0.0.1", private_allowed=True) == ["127.0.0.1", "10.0.0.1"]
    with pytest.raises(ForbiddenAddressError):
        await resolved("169.254.169.254", private_allowed=True)


async def fault_of_request(lookup: Lookup, endpoint: str = "https://node.xb.example") -> LineFault:
    resolver = CheckingResolver(private_allowed=False, lookup=lookup)
    transport = HTTPTransport(tls_identity("xa"), resolver=resolver)
    address = replace(address_of("xb", 1), endpoint=endpoint)
    try:
        with pytest.raises(LineError) as caught:
            await transport.request(address, Operation.GREETING, body=b"", deadline_seconds=15)
    finally:
        await transport.close()
    return caught.value.fault


async def test_d13_a_name_that_leads_to_loopback_is_not_connected_to() -> None:
    assert await fault_of_request(answering("127.0.0.1")) is LineFault.FORBIDDEN
    assert await fault_of_request(answering(GLOBAL, "::1")) is LineFault.FORBIDDEN


async def test_a_name_that_does_not_exist() -> None:
    def missing(_host: str, _port: int) -> Sequence[AddressInfo]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    assert await fault_of_request(missing) is LineFault.NAME


async def test_d13_the_address_is_checked_again_when_the_socket_is_made() -> None:
    resolver = CheckingResolver(private_allowed=False)
    with pytest.raises(ForbiddenAddressError):
        resolver.make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 443)))
    resolver.make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (GLOBAL, 443))).close()
    await resolver.close()


async def test_f39_a_name_server_that_does_not_answer_delays_only_who_asked_it() -> None:
    answered = threading.Event()

    def slow(host: str, port: int) -> Sequence[AddressInfo]:
        if host == "slow.example":
            answered.wait(20)
        return answering("127.0.0.1")(host, port)

    async with running_site() as open_site:
        resolver = CheckingResolver(private_allowed=True, lookup=slow)
        transport = HTTPTransport(tls_identity("xa"), private_addresses_allowed=True, resolver=resolver)
        slow_address = replace(address_of("xc", 1), endpoint="https://slow.example")
        with pytest.raises(LineError) as caught:
            await transport.request(slow_address, Operation.GREETING, body=b"", deadline_seconds=0.1)
        assert caught.value.fault is LineFault.SLOW
        open_site.site.also_serve(f"https://quick.example:{open_site.port}")
        quick = replace(address_of("xb", 1), endpoint=f"https://quick.example:{open_site.port}")
        answer = await transport.request(quick, Operation.GREETING, body=b"hello", deadline_seconds=15)
        assert answer.body == b"hello"
        answered.set()
        await transport.close()
