# SPDX-License-Identifier: Apache-2.0
import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench import ceiling, deliver, idle, runs
from bench.deliver import Amounts
from bench.filling import SAMPLE, fill
from bench.network import Member, Network
from bench.pair import Pair
from tests.support.benches import RECEIVER, SENDER, HouseNode, house_pair
from tests.support.directory import certified_node_keys
from tests.support.houses import free_ports

TINY = Amounts(warm_up=1, sustained=3, single=2, backlog=3, opened=2, runs=1)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waiting; and a line that a stop cuts in its handshake, which asyncio leaves open, is collected."""
    monkeypatch.setattr(runs, "wait_until_quiet", lambda: None)
    monkeypatch.setattr(idle, "WATCH_SECONDS", 0)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def in_houses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Benches run their nodes in this process."""

    @contextlib.asynccontextmanager
    async def pair(_network: Network, _sender: Member, _receiver: Member) -> AsyncIterator[Pair]:
        async with house_pair(tmp_path) as found:
            yield found

    for part in (deliver, idle):
        monkeypatch.setattr(part, "running_pair", pair)
    monkeypatch.setattr(ceiling, "measure", lambda: {"per_s": 1000.0})


def test_delivery_has_its_figures(in_houses: None, tmp_path: Path) -> None:
    found = deliver.measure(tmp_path, TINY)
    figures = {name: value for name, value in found.items() if name != "detail"}
    assert set(figures) == {
        "sustained_per_s",
        "p50_ms",
        "p99_ms",
        "backlog_1000_s",
        "opened_per_s",
        "ceiling_per_s",
        "ceiling_share",
    }
    assert all(isinstance(value, float) and value > 0 for value in figures.values())


def test_an_idle_node_has_its_figures(in_houses: None, tmp_path: Path) -> None:
    found = idle.measure(tmp_path, runs=1, settle_seconds=0)
    assert all(isinstance(found[name], float) for name in ("idle_mib", "ready_s"))


def test_a_filled_node_goes_on_where_real_traffic_would(tmp_path: Path) -> None:
    async def story() -> None:
        async with house_pair(tmp_path) as pair:
            await pair.open(2)
            await pair.deliver(SAMPLE)
            await pair.sender.stop()
            await pair.receiver.stop()
            for node, authority in ((pair.sender, SENDER), (pair.receiver, RECEIVER)):
                fill(node.home, certified_node_keys(authority), 3 * SAMPLE + 1)
            pair.pass_over_arrivals()
            await pair.receiver.start()
            await pair.sender.start()
            await pair.deliver(2)
            sums = await pair.sender.call("delivery.sums")
            assert sums["sent"] == {RECEIVER: {"received": 3 * SAMPLE + 3}}
            listed = await pair.receiver.call("consult.list", {"limit": 2})
            assert [case["counterparties"] for case in listed["consultations"]] == [[SENDER]] * 2

    asyncio.run(story())


def test_too_few_messages_are_no_sample(tmp_path: Path) -> None:
    async def story() -> None:
        node = HouseNode(tmp_path, SENDER, free_ports(1)[0])
        await node.start()
        await node.stop()
        with pytest.raises(ValueError, match="too few"):
            fill(node.home, certified_node_keys(SENDER), 200)

    asyncio.run(story())
