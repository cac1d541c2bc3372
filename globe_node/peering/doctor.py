# SPDX-License-Identifier: Apache-2.0
"""Tests the line to one peer step by step, for `doctor --peer`. It changes nothing and sends no message.

1. Each step says in one sentence what was found and, when that is bad, in one sentence what to do.
2. A step that fails ends the row where the later ones need it; what was not tried is not shown as good.
3. Nothing of what the other end sent is quoted, but the fingerprint of the certificate it showed.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography import x509

from globe_node.clock import Clock
from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity, Transport
from globe_node.errors import PeerUnreachableError
from globe_node.peering.faults import LineError, LineFault
from globe_node.peering.resolver import CheckingResolver, ForbiddenAddressError
from globe_node.peering.tls import probe_context
from keys.tls_identity import TLSIdentity
from protocol import limits
from protocol.directory.endpoints import HostPort, parse_endpoint
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UnsupportedVersionError
from protocol.identifiers import DirectoryView

STEP_SECONDS = 10.0
_DIGITS = 16
"""Hex digits of a fingerprint that are shown."""


class Step(StrEnum):
    """What is looked at, in this order."""

    ENDPOINT = "endpoint"
    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    CERTIFICATE = "certificate"
    ACCEPTANCE = "acceptance"
    VERSIONS = "versions"
    CLOCK = "clock"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one step.

    Attributes:
        ok: whether it is as it should be.
        sentence: what was found.
        action: what to do; empty when it is good.
    """

    step: Step
    ok: bool
    sentence: str
    action: str = ""


class Greeted(Protocol):
    """What a peer says of itself."""

    @property
    def time(self) -> datetime:
        """Its time of day."""
        ...

    @property
    def view(self) -> DirectoryView | None:
        """Its directory, or None if it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Instruments:
    """What an examination works with.

    Attributes:
        identity: our certificate, which is shown to the peer.
        transport: the line as the node uses it.
        resolver: names to addresses, checked.
        private_addresses_allowed: whether the peer may be on this network.
        clock: our time.
        view: our directory.
        greeting: our greeting, as it is now.
        read_greeting: reads the peer's greeting.
    """

    identity: TLSIdentity
    transport: Transport
    resolver: CheckingResolver
    private_addresses_allowed: bool
    clock: Clock
    view: DirectoryView
    greeting: Callable[[], bytes]
    read_greeting: Callable[[bytes, PeerIdentity], Greeted]


class _EndedError(Exception):
    """The examination can't go on; the last finding says why."""


class Examination:
    """One test of one peer.

    Attributes:
        findings: what was found so far.
    """

    def __init__(self, peer: PeerAddress, instruments: Instruments) -> None:
        self._peer = peer
        self._with = instruments
        self.findings: list[Finding] = []

    async def run(self) -> list[Finding]:
        """Take all steps, as far as they can be taken, and return what was found."""
        try:
            place = self._endpoint()
            addresses = await self._name(place)
            address = await self._connection(addresses, place.port)
            shown = await self._tls(address, place)
            self._certificate(shown)
            greeted = await self._acceptance()
            self._clock(greeted.time)
            self._directory(greeted.view)
        except _EndedError:
            pass
        return self.findings

    def _good(self, step: Step, sentence: str) -> None:
        self.findings.append(Finding(step, True, sentence))

    def _bad(self, step: Step, sentence: str, action: str) -> None:
        self.findings.append(Finding(step, False, sentence, action))

    def _end(self, step: Step, sentence: str, action: str) -> _EndedError:
        self._bad(step, sentence, action)
        return _EndedError()

    def _endpoint(self) -> HostPort:
        try:
            place = parse_endpoint(self._peer.endpoint, sample=self._with.private_addresses_allowed)
        except MalformedError as error:
            raise self._end(
                Step.ENDPOINT,
                f"The directory lists an endpoint that is not allowed: {error}.",
                "Ask the authority to publish a correct one; in a closed network allow private addresses.",
            ) from None
        self._good(Step.ENDPOINT, f"The directory lists {place.host}, port {place.port}.")
        return place

    async def _name(self, place: HostPort) -> list[str]:
        if place.is_address:
            self._good(Step.NAME, "It is an address; there is no name to look up.")
            return [place.host]
        try:
            async with asyncio.timeout(STEP_SECONDS):
                found = await self._with.resolver.resolve(place.host, place.port)
        except ForbiddenAddressError:
            raise self._end(
                Step.NAME,
                "The name leads to an address that this node does not connect to.",
                "Ask the authority to correct its name entry; in a closed network allow private addresses.",
            ) from None
        except OSError:
            raise self._end(
                Step.NAME,
                "The name was not found.",
                "Check this machine's name server; then ask the authority whether its endpoint has changed.",
            ) from None
        self._good(Step.NAME, f"The name leads to {len(found)} address(es), all allowed.")
        return [result["host"] for result in found]

    async def _connection(self, addresses: list[str], port: int) -> str:
        for address in addresses:
            try:
                async with asyncio.timeout(STEP_SECONDS):
                    _, writer = await asyncio.open_connection(address, port)
            except OSError:
                continue
            writer.transport.abort()
            self._good(Step.CONNECTION, f"Port {port} of {address} takes connections.")
            return address
        raise self._end(
            Step.CONNECTION,
            f"Nobody takes connections on port {port}.",
            "Check this machine's firewall; then telephone the authority: is its node running?",
        )

    async def _tls(self, address: str, place: HostPort) -> bytes:
        context = probe_context(self._with.identity)
        name = "" if place.is_address else place.host
        try:
            async with asyncio.timeout(STEP_SECONDS):
                _, writer = await asyncio.open_connection(
                    address, place.port, ssl=context, server_hostname=name
                )
        except OSError:
            raise self._end(
                Step.TLS,
                "The other end does not speak TLS 1.3 as a node does.",
                "Is another program there, or a device that intercepts TLS? Tell the authority.",
            ) from None
        line = writer.get_extra_info("ssl_object")
        shown: bytes = line.getpeercert(binary_form=True) or b""
        version = line.version()
        writer.transport.abort()
        self._good(Step.TLS, f"It speaks {version}.")
        return shown

    def _certificate(self, shown: bytes) -> None:
        pins = {self._peer.tls_certificate_der, self._peer.next_tls_certificate_der} - {b""}
        digest = hashlib.sha256(shown).hexdigest()[:_DIGITS]
        if shown not in pins:
            listed = " or ".join(sorted(hashlib.sha256(pin).hexdigest()[:_DIGITS] for pin in pins))
            raise self._end(
                Step.CERTIFICATE,
                f"It shows certificate {digest}, the directory lists {listed}.",
                "Bring the directory up to date. If it stays so, telephone them: somebody may be between.",
            )
        certificate = x509.load_der_x509_certificate(shown)
        now = self._with.clock.now()
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise self._end(
                Step.CERTIFICATE,
                "It shows the listed certificate, whose validity does not cover this moment.",
                "Check this machine's clock; then ask the authority to renew its certificate.",
            )
        self._good(Step.CERTIFICATE, f"It shows the listed certificate {digest}.")

    async def _acceptance(self) -> Greeted:
        try:
            answer = await self._with.transport.request(
                self._peer,
                Operation.GREETING,
                body=self._with.greeting(),
                deadline_seconds=STEP_SECONDS,
            )
        except PeerUnreachableError as error:
            closed = isinstance(error, LineError) and error.fault is LineFault.CLOSED
            raise self._end(
                Step.ACCEPTANCE,
                "It did not accept our certificate, or closed the connection." if closed else f"{error}.",
                "Send the authority our latest directory statements; does it list this node?"
                if closed
                else error.hint,
            ) from None
        if answer.code is not None:
            raise self._refused(answer)
        try:
            greeted = self._with.read_greeting(answer.body, self._peer.identity)
        except UnsupportedVersionError:
            self._good(Step.ACCEPTANCE, "It accepts our certificate.")
            raise self._end(
                Step.VERSIONS,
                "It speaks no version of the protocol that this node speaks.",
                "One of the two nodes must be brought up to date.",
            ) from None
        except RemoteProtocolError:
            raise self._end(
                Step.ACCEPTANCE,
                "It accepts our certificate, but its greeting is not that of the expected node.",
                "The other node is faulty or misconfigured; tell the authority.",
            ) from None
        self._good(Step.ACCEPTANCE, "It accepts our certificate and answers as the expected node.")
        self._good(Step.VERSIONS, "Both nodes speak the same version of the protocol.")
        return greeted

    def _refused(self, answer: Answer) -> _EndedError:
        if answer.code is ReasonCode.REFUSED:
            return self._end(
                Step.ACCEPTANCE,
                "It refuses this node.",
                "Send the authority our latest directory statements; is this node suspended or replaced?",
            )
        return self._end(
            Step.ACCEPTANCE,
            f"It answered with the code {answer.code}.",
            "Try again in a few minutes; if it lasts, telephone the authority.",
        )

    def _clock(self, theirs: datetime) -> None:
        skew = round((theirs - self._with.clock.now()).total_seconds())
        if abs(skew) <= limits.CLOCK_TOLERANCE_SECONDS:
            self._good(Step.CLOCK, f"The clocks differ by {abs(skew)} seconds.")
        else:
            direction = "ahead of" if skew > 0 else "behind"
            self._bad(
                Step.CLOCK,
                f"Its clock is {abs(skew)} seconds {direction} ours.",
                "Check which clock is wrong; messages are refused beyond five minutes.",
            )

    def _directory(self, theirs: DirectoryView | None) -> None:
        ours = self._with.view
        if theirs == ours:
            self._good(Step.DIRECTORY, "Both nodes hold the same directory.")
        elif theirs is None or theirs.size < ours.size:
            self._good(Step.DIRECTORY, "Its directory is older than ours; it takes the news from us.")
        elif theirs.size > ours.size:
            self._bad(
                Step.DIRECTORY,
                f"Its directory holds {theirs.size - ours.size} statement(s) more than ours.",
                "Wait for the next exchange of statements, or import the latest bundle.",
            )
        else:
            self._bad(
                Step.DIRECTORY,
                "Its directory has as many statements as ours, and other ones.",
                "Wait for the next exchange of statements; if it lasts, show both to the network officers.",
            )


async def examine(peer: PeerAddress, instruments: Instruments) -> list[Finding]:
    """Test the line to one peer and return the findings, in order."""
    return await Examination(peer, instruments).run()
