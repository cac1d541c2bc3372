# SPDX-License-Identifier: Apache-2.0
"""Two nodes as processes run them: files, sockets, TLS."""

import asyncio
from pathlib import Path

from globe_node.cli.backend import objects, text_of
from protocol.canonical import JSONObject
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
