# SPDX-License-Identifier: Apache-2.0
"""Key packages between whole nodes: had before they are needed, asked for when they are, never flooded."""

import asyncio

import pytest

from globe_node.delivery.link import Answer, Operation
from globe_node.errors import PeerUnreachableError
from globe_node.groups.packages import records, stock
from globe_node.groups.packages.supply import ASKS_A_MINUTE
from globe_node.groups.packages.wire import PackageAnswer, PackageRequest, parse_package_answer
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId, NodeName
from tests.simulation.loop import run_virtual
from tests.support.delivery import identity_of
from tests.support.groups import Crash, CrashAt
from tests.support.lines import Request
from tests.support.nodes import A, B, C, Town, among_strangers, town

BETA = AuthorityId(B)
OWNER = NodeName(BETA, NodeId("main"))


async def stock_at(town: Town, name: str, of: str = B) -> int:
    bench = town.nodes[name].supply._bench
    sizes = await town.look(name, lambda tx: records.stock_sizes(tx, bench.now_ms()))
    return sizes.get(AuthorityId(of), 0)


async def use(town: Town, name: str, count: int) -> None:
    bench = town.nodes[name].supply._bench

    def find_and_mark(tx: Transaction) -> None:
        found = stock.find(bench, tx, OWNER)
        assert found is not None
        stock.mark(bench, tx, [found])

    for _ in range(count):
        await bench.store.write(find_and_mark)


def asked(town: Town, source: str = A) -> int:
    return sum(
        request.source == source and request.operation is Operation.KEY_PACKAGES
        for request in town.exchange.requests
    )


@among_strangers
async def test_neighbours_have_packages_of_each_other_after_the_first_greetings(town: Town) -> None:
    await asyncio.sleep(300)
    assert (await stock_at(town, A), await stock_at(town, B, A)) == (8, 8)
    assert asked(town) <= 2
    await asyncio.sleep(3_600)
    assert asked(town) <= 2


@among_strangers
async def test_a_low_stock_is_filled_at_the_next_greeting_and_a_good_one_is_not(town: Town) -> None:
    await asyncio.sleep(300)
    await use(town, A, 5)
    await asyncio.sleep(300)
    assert await stock_at(town, A) == 3
    await use(town, A, 1)
    await asyncio.sleep(300)
    assert await stock_at(town, A) == 8


@among_strangers
async def test_what_is_needed_is_asked_for_at_once(town: Town) -> None:
    came: list[str] = []
    supply = town.nodes[A].supply
    supply.subscribe(came.append)
    supply.need([BETA])
    await asyncio.sleep(0.1)
    assert await stock_at(town, A) == 8
    assert came == [B]


@among_strangers
async def test_who_is_away_is_asked_again_with_pauses_and_at_its_first_sign_of_life(town: Town) -> None:
    await town.stop(B)
    supply = town.nodes[A].supply
    supply.need([BETA])
    await asyncio.sleep(4 * 3_600)
    assert 10 <= asked(town) <= 100
    await town.start(B)
    supply.heard(BETA)
    await asyncio.sleep(0.1)
    assert await stock_at(town, A) == 8
    asked_then = asked(town)
    await asyncio.sleep(7_200)
    assert asked(town) <= asked_then + 1


@among_strangers
async def test_without_need_a_failure_is_left_for_the_next_greeting(town: Town) -> None:
    town.exchange.down.add(B)
    await town.nodes[A].supply.top_up(BETA)
    await asyncio.sleep(1)
    assert asked(town) == 1
    await asyncio.sleep(600)
    assert asked(town) == 1


@among_strangers
async def test_a_dead_peer_does_not_delay_another(town: Town) -> None:
    async def hang(request: Request) -> Answer | None:
        if request.operation is Operation.KEY_PACKAGES and request.to == C:
            await asyncio.sleep(3_600)
            raise PeerUnreachableError("at last")
        return None

    town.exchange.intercept = hang
    town.nodes[A].supply.need([AuthorityId(C), BETA])
    await asyncio.sleep(0.1)
    assert await stock_at(town, A) == 8


def test_the_pool_of_the_smaller_one_is_enough() -> None:
    """A peer that keeps fewer than we want is not asked for ever."""

    async def main() -> None:
        async with town(A, B, acquainted=False) as nodes:
            answered = nodes.exchange.handlers[B]

            async def give_two(request: Request) -> Answer | None:
                if request.operation is not Operation.KEY_PACKAGES or request.to != B:
                    return None
                full = await answered.handle(identity_of(A), request.operation, request.body)
                told = parse_package_answer(full.body)
                return Answer(None, PackageAnswer(told.certificates, told.packages[:2]).to_bytes())

            nodes.exchange.intercept = give_two
            nodes.nodes[A].supply.need([BETA])
            await asyncio.sleep(60)
            assert await stock_at(nodes, A) == 2
            assert asked(nodes) == 1

    run_virtual(main())


@pytest.mark.parametrize(
    "answer",
    [Answer(ReasonCode.BUSY, b""), Answer(None, b""), Answer(None, b"\x01junk"), Answer(None, bytes(5_000))],
)
def test_an_answer_that_is_none_changes_nothing_and_it_is_asked_again(answer: Answer) -> None:
    @among_strangers
    async def run(town: Town) -> None:
        async def lie(request: Request) -> Answer | None:
            return answer if request.operation is Operation.KEY_PACKAGES else None

        town.exchange.intercept = lie
        town.nodes[A].supply.need([BETA])
        await asyncio.sleep(10)
        assert await stock_at(town, A) == 0
        assert 2 <= asked(town) <= 200
        town.exchange.intercept = None
        await asyncio.sleep(1_800)
        assert await stock_at(town, A) == 8

    run()


@among_strangers
async def test_bad_packages_are_written_down_once_an_answer(town: Town) -> None:
    async def lie(request: Request) -> Answer | None:
        if request.operation is not Operation.KEY_PACKAGES or request.to != B:
            return None
        return Answer(None, PackageAnswer(packages=(b"\0\1junk",) * 5).to_bytes())

    town.exchange.intercept = lie
    await town.nodes[A].supply.top_up(BETA)
    await asyncio.sleep(1)
    (warning,) = [one for one in town.warnings(A) if "key packages" in one["event"]]
    assert (warning["peer"], warning["count"], warning["code"]) == (B, 5, "bad_content")


@among_strangers
async def test_who_asks_too_often_is_told_so_and_others_are_served(town: Town) -> None:
    handler = town.exchange.handlers[B]
    body = PackageRequest(8).to_bytes()
    answers = [await handler.handle(identity_of(A), Operation.KEY_PACKAGES, body) for _ in range(40)]
    codes = [answer.code for answer in answers]
    assert codes == [None] * ASKS_A_MINUTE + [ReasonCode.RATE_LIMITED] * (40 - ASKS_A_MINUTE)
    assert len({answer.body for answer in answers[:ASKS_A_MINUTE]}) == 1
    other = await handler.handle(identity_of(C), Operation.KEY_PACKAGES, body)
    assert other.code is None
    await asyncio.sleep(60)
    assert (await handler.handle(identity_of(A), Operation.KEY_PACKAGES, body)).code is None


@among_strangers
async def test_bad_requests_get_their_code(town: Town) -> None:
    handler = town.exchange.handlers[B]
    for body, code in (
        (b"", ReasonCode.BAD_CONTENT),
        (b"\2", ReasonCode.BAD_VERSION),
        (PackageRequest(0).to_bytes(), ReasonCode.BAD_FIELD),
        (b"\1\0\1\xff\xff", ReasonCode.TOO_LARGE),
    ):
        answer = await handler.handle(identity_of(A), Operation.KEY_PACKAGES, body)
        assert answer == Answer(code, b"")


@pytest.mark.parametrize("point", ["groups.packages.offered", "groups.packages.taken_in"])
def test_a_crash_between_giving_and_taking_loses_no_package_and_doubles_none(point: str) -> None:
    async def main() -> None:
        async with town(A, B, acquainted=False) as nodes:
            bench = nodes.nodes[A if point.endswith("taken_in") else B].supply._bench
            crash = CrashAt(point)
            object.__setattr__(bench, "faults", crash)
            supply = nodes.nodes[A].supply
            with pytest.raises(Crash):
                await supply._ask_once(BETA)
            for name in (A, B):
                await nodes.kill(name)
                await nodes.start(name)
            nodes.nodes[A].supply.need([BETA])
            await asyncio.sleep(1)
            assert await stock_at(nodes, A) == 8
            given = await nodes.look(B, lambda tx: records.own_packages(tx, AuthorityId(A)))
            assert len(given) == 8

    run_virtual(main())
