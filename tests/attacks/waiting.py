# SPDX-License-Identifier: Apache-2.0
"""A message of A that waits for B, while B and C are in other hands."""

from collections.abc import Awaitable, Callable

from globe_node.delivery import outbox
from globe_node.delivery.link import Operation
from protocol.audit.events import EventKind
from protocol.envelope import envelope_hash
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest
from protocol.receipts import Receipt, ReceiptEntry, ReceiptStatus
from tests.simulation.loop import run_virtual
from tests.support.entropy import SeededEntropy
from tests.support.hostile import Hostile, entry
from tests.support.nodes import A, B, C, Town, request, stages, town

RECEIVED, READ, REJECTED, UNDELIVERABLE = (
    ReceiptStatus.RECEIVED,
    ReceiptStatus.READ,
    ReceiptStatus.REJECTED,
    ReceiptStatus.UNDELIVERABLE,
)
DEADLINE_SECONDS = 900
WRONG = Digest("1" * 64)
"""A hash of nothing."""


class Waiting:
    """One message of A that waits for B, and B in other hands."""

    def __init__(self, nodes: Town) -> None:
        self.town = nodes
        self.peer = Hostile(nodes, B)
        self.stranger = Hostile(nodes, C, SeededEntropy("stranger"))
        self.envelope = b""
        self.record = Digest("")

    @property
    def honest(self) -> Receipt:
        """What B would say."""
        return self.peer.receipt(A, [self.says()])

    @property
    def place(self) -> int:
        """Where the hash of the envelope stands in a receipt."""
        octets = self.peer.sign_receipt(self.honest)
        return octets.index(envelope_hash(self.envelope).encode())

    async def send(self) -> None:
        """Send the message; nobody answers."""
        sent = await self.town.nodes[A].desk.submit(request(B, deadline_seconds=DEADLINE_SECONDS))
        self.record, self.consultation = sent.record_hash, sent.consultation
        rows = await self.town.look(
            A, lambda tx: outbox.due(tx, AuthorityId(B), Operation.ENVELOPES, now_ms=10**14, limit=9)
        )
        row = rows[-1]  # behind the invitation to its group
        self.envelope = (await self.town.look(A, lambda tx: outbox.octets(tx, [row])))[row.body]

    def says(
        self, status: ReceiptStatus = RECEIVED, *, record: str = "", reason: ReasonCode | None = None
    ) -> ReceiptEntry:
        """What an honest B would say, with one difference or none."""
        return entry(self.envelope, record or self.record, status, reason=reason)

    async def stages(self) -> list[str]:
        """What A shows of its message."""
        view = await self.town.show(A, self.consultation)
        return stages(view.records[0])

    async def alarms(self) -> list[str]:
        """The results of the alarms in A's audit log."""
        return [event.result for event in await self.town.entries(A, EventKind.ALARM)]


Test = Callable[[Waiting], Awaitable[None]]


def with_waiting(test: Test) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            async with town(A) as nodes:
                waiting = Waiting(nodes)
                await waiting.send()
                await test(waiting)

        run_virtual(main())

    run.__name__ = test.__name__
    return run
