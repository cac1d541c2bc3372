# SPDX-License-Identifier: Apache-2.0
"""Two nodes as processes run them: files, sockets, TLS."""

import asyncio
import socket
from pathlib import Path

import pytest

from globe_node.cli.backend import objects, text_of
from globe_node.errors import ConfigError, StoreError
from globe_node.service import notify
from protocol.canonical import JSONObject
from protocol.errors import ReasonCode
from tests.support.bodies import lean_request
from tests.support.directory import sample_network
from tests.support.houses import House, free_ports, house

A, B = "xa-acc", "xb-ibu"


async def evidence_of(node: House, outcome: JSONObject, stage: str) -> JSONObject:
    """Wait for a line of evidence."""
    for _ in range(200):
        found = await node.call("consult.receipts", {"consultation": text_of(outcome, "consultation")})
        for record in objects(found["records"]):
            for line in objects(record["evidence"]):
                if line["stage"] == stage:
                    return line
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {stage}")


async def test_two_nodes_exchange_a_message_over_tls(tmp_path: Path) -> None:
    ports = free_ports(2)
    network = sample_network((A, B), tuple(f"https://127.0.0.1:{port}" for port in ports))
    async with house(tmp_path / "a", A, ports[0]) as a, house(tmp_path / "b", B, ports[1]) as b:
        for node in (a, b):
            assert (await node.import_network(network))["refused"] == []
        draft: JSONObject = {"type": "CONSULT_REQUEST", "to": [B], "body": lean_request()}
        answer = await a.call("consult.submit", {"drafts": [draft]})
        (outcome,) = objects(answer["outcomes"])
        line = await evidence_of(a, outcome, "received")
        assert line["signed_by"] == f"{B}/main"
        listed = await b.call("consult.list")
        assert [case["consultation"] for case in objects(listed["consultations"])] == [
            outcome["consultation"]
        ]
        for node in (a, b):
            assert (await node.call("audit.verify"))["ok"] is True


async def test_a_second_process_on_the_same_home_is_turned_away(tmp_path: Path) -> None:
    ports = free_ports(2)
    async with house(tmp_path / "a", A, ports[0]) as first:
        with pytest.raises(StoreError) as caught:
            async with house(tmp_path / "a", A, ports[1]):
                pass
        assert caught.value.code is ReasonCode.LOCKED_ELSEWHERE
        assert (await first.call("health"))["authority"] == A


async def test_an_old_copy_of_the_database_does_not_start(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    async with house(tmp_path / "a", A, port) as node:
        database = node.home.database
    old = database.read_bytes()
    async with house(tmp_path / "a", A, port) as node:
        await node.import_network(sample_network())
    database.write_bytes(old)
    with pytest.raises(StoreError) as caught:
        async with house(tmp_path / "a", A, port):
            pass
    assert caught.value.code is ReasonCode.RESTORE_DETECTED


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with house(tmp_path / "a", A, taken.getsockname()[1]):
                pass
        assert caught.group_contains(ConfigError, match="can't listen")


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        notify("READY=1", {"NOTIFY_SOCKET": str(path)})
        assert manager.recv(64) == b"READY=1"
    notify("READY=1", {})
