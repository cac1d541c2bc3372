# SPDX-License-Identifier: Apache-2.0
"""The commands around the members of a consultation, against three running nodes."""

import json
from pathlib import Path

import pytest

from globe_node.cli.main import main
from globe_node.cli.templates import template_of
from globe_node.errors import ExitCode
from protocol.codes.message_types import MessageType
from tests.support.houses import House, some_houses

A, B, C = "xa-acc", "xb-ibu", "xc-aco"
REASON = ("--reason", "The account is kept there.")
Capture = pytest.CaptureFixture[str]


def write(folder: Path, message_type: MessageType) -> str:
    path = folder / f"{message_type.lower()}.toml"
    path.write_text(template_of(message_type))
    return str(path)


async def opened(node: House, capsys: Capture, *arguments: str) -> str:
    assert await node.run("consult", "send", *arguments, "--wait", "30", "--json") == ExitCode.OK
    return str(json.loads(capsys.readouterr().out)["consultation"])


async def shown(node: House, consultation: str, capsys: Capture) -> str:
    assert await node.run("consult", "show", consultation) == ExitCode.OK
    return capsys.readouterr().out


async def test_an_authority_joins_and_another_one_leaves(tmp_path: Path, capsys: Capture) -> None:
    request, answer = (write(tmp_path, kind) for kind in (MessageType.CONSULT_REQUEST, MessageType.ANSWER))
    async with some_houses(tmp_path, (A, B, C)) as (a, b, c):
        case = await opened(a, capsys, "--to", B, "--file", request)
        assert await a.run("consult", "add", case, "--authority", C, *REASON, "--wait", "30") == ExitCode.OK
        added = capsys.readouterr().out
        assert "xb-ibu, xc-aco" in added
        assert "received" in added
        at_c = await shown(c, case, capsys)
        for expected in (
            "MEMBERS from xa-acc",
            "SAMPLE: who directs a company",
            "was added",
            "account is kept",
        ):
            assert expected in at_c
        assert "not here" not in at_c
        assert await c.run("consult", "reply", case, "--file", answer, "--wait", "30") == ExitCode.OK
        at_b = await shown(b, case, capsys)
        assert "ANSWER from xc-aco" in at_b
        assert "xc-aco        ANSWERED" in at_b
        removing = ("consult", "remove", case, "--authority", B, "--reason", "Its part is done.")
        assert await a.run(*removing) == ExitCode.USAGE
        assert "--yes" in capsys.readouterr().err
        assert await a.run(*removing, "--yes", "--wait", "30") == ExitCode.OK
        assert "state REMOVED" in await shown(b, case, capsys)
        assert await b.run("consult", "reply", case, "--file", answer) == ExitCode.REFUSED_BY_POLICY
        assert await a.run("consult", "close", case, "--wait", "30") == ExitCode.OK
        assert "state CLOSED" in await shown(c, case, capsys)
        assert await b.run("consult", "add", case, "--authority", C, *REASON) == ExitCode.REFUSED_BY_POLICY
        assert "only the authority that opened" in capsys.readouterr().err
        await export_everywhere((a, b, c), case, tmp_path, capsys)


async def export_everywhere(nodes: tuple[House, ...], case: str, folder: Path, capsys: Capture) -> None:
    """The evidence of each member must hold."""
    for number, node in enumerate(nodes):
        file = folder / f"{number}.anp1"
        capsys.readouterr()
        assert await node.run("evidence", "export", case, "--output", str(file), "--json") == ExitCode.OK
        network = json.loads(capsys.readouterr().out)["network"]
        verdict = main(["evidence", "verify", str(file), "--root", network])
        assert verdict == ExitCode.OK, capsys.readouterr().out


async def test_what_a_new_member_is_asked_may_be_another_request(tmp_path: Path, capsys: Capture) -> None:
    request = write(tmp_path, MessageType.CONSULT_REQUEST)
    text = template_of(MessageType.CONSULT_REQUEST)
    other = tmp_path / "other.toml"
    other.write_text(text.replace("who directs a company", "who holds an account"))
    file = tmp_path / "list.txt"
    file.write_text("sample list")
    async with some_houses(tmp_path, (A, B, C)) as (a, _b, c):
        case = await opened(a, capsys, "--to", B, "--file", request)
        adding = ("consult", "add", case, "--authority", C, *REASON, "--attach", str(file), "--wait", "30")
        assert await a.run(*adding) == ExitCode.USAGE
        assert await a.run(*adding, "--file", str(other)) == ExitCode.OK
        at_c = await shown(c, case, capsys)
        assert "SAMPLE: who holds an account" in at_c
        assert "list.txt" in at_c


async def test_to_ask_apart_opens_a_consultation_with_each(tmp_path: Path, capsys: Capture) -> None:
    request = write(tmp_path, MessageType.CONSULT_REQUEST)
    async with some_houses(tmp_path, (A, B, C)) as (a, b, c):
        sending = ("consult", "send", "--to", B, "--to", C, "--file", request, "--separately", "--json")
        assert await a.run(*sending, "--idempotency-key", "k", "--wait", "30") == ExitCode.OK
        outcomes = json.loads(capsys.readouterr().out)["outcomes"]
        assert [outcome["recipients"] for outcome in outcomes] == [[B], [C]]
        assert len({outcome["consultation"] for outcome in outcomes}) == 2
        assert await a.run(*sending, "--idempotency-key", "k") == ExitCode.OK
        again = json.loads(capsys.readouterr().out)["outcomes"]
        assert [outcome["record_id"] for outcome in again] == [outcome["record_id"] for outcome in outcomes]
        for node, outcome in zip((b, c), outcomes, strict=True):
            assert await node.run("consult", "list", "--json") == ExitCode.OK
            (case,) = json.loads(capsys.readouterr().out)["consultations"]
            assert (case["consultation"], case["counterparties"]) == (outcome["consultation"], [A])
        assert await a.run(*sending[:4], "--to", "xz-nobody", *sending[6:]) == ExitCode.REFUSED_BY_POLICY
        captured = capsys.readouterr()
        assert [("error" in outcome) for outcome in json.loads(captured.out)["outcomes"]] == [False, True]
