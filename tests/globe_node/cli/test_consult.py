# SPDX-License-Identifier: Apache-2.0
"""The commands of a practitioner, against two running nodes."""

import json
from pathlib import Path

import pytest

from globe_node.cli.main import main
from globe_node.cli.templates import template_of
from globe_node.errors import ExitCode
from protocol.codes.message_types import MessageType
from tests.support.houses import House, two_houses

A, B = "xa-acc", "xb-ibu"
REPLY = ("consult", "reply", "--wait", "30")
CONVERSATION = (
    MessageType.CONSULT_REQUEST,
    MessageType.ACK,
    MessageType.CLARIFICATION_REQUEST,
    MessageType.CLARIFICATION,
    MessageType.ANSWER,
    MessageType.CLOSE,
)
Capture = pytest.CaptureFixture[str]


def write(folder: Path, message_type: MessageType) -> str:
    path = folder / f"{message_type.lower()}.toml"
    path.write_text(template_of(message_type))
    return str(path)


async def test_a_consultation_from_question_to_close(tmp_path: Path, capsys: Capture) -> None:
    attachment = tmp_path / "contract.txt"
    attachment.write_text("sample contract")
    async with two_houses(tmp_path, (A, B)) as (a, b):
        request = write(tmp_path, MessageType.CONSULT_REQUEST)
        sending = ("consult", "send", "--to", B, "--file", request, "--attach", str(attachment))
        assert await a.run(*sending, "--wait", "30", "--json") == ExitCode.OK
        consultation = json.loads(capsys.readouterr().out)["consultation"]

        assert await b.run("consult", "list") == ExitCode.OK
        assert "SAMPLE: who directs a company" in capsys.readouterr().out
        showing = ("consult", "show", consultation, "--officer", "p-7", "--save", str(tmp_path / "files"))
        assert await b.run(*showing) == ExitCode.OK
        (saved,) = (tmp_path / "files").iterdir()
        assert saved.name.endswith("-a1-contract.txt")
        assert saved.read_text() == "sample contract"
        shown = capsys.readouterr().out
        for expected in ("CONSULT_REQUEST from xa-acc", "Sample Roads Ltd", "contract.txt", "handling H1 H2"):
            assert expected in shown

        await converse(a, b, consultation, tmp_path)
        capsys.readouterr()
        assert await a.run("consult", "receipts", consultation, "--json") == ExitCode.OK
        records = json.loads(capsys.readouterr().out)["records"]
        assert [record["message_type"] for record in records] == [one.value for one in CONVERSATION]
        stages = [line["stage"] for line in records[0]["evidence"]]
        assert stages[:2] == ["submitted", "received"]
        assert await a.run("consult", "list", "--state", "CLOSED") == ExitCode.OK
        assert consultation in capsys.readouterr().out
        bundle, network = await look_after(a, b, consultation, tmp_path, capsys)
    verify_alone(bundle, network, capsys)


async def converse(a: House, b: House, consultation: str, folder: Path) -> None:
    """Acknowledge, ask back, clarify, answer, close."""
    for author, message_type in zip((b, b, a, b), CONVERSATION[1:5], strict=True):
        file = write(folder, message_type)
        assert await author.run(*REPLY, consultation, "--file", file) == ExitCode.OK
    assert await a.run("consult", "close", consultation, "--wait", "30") == ExitCode.OK


async def look_after(
    a: House, b: House, consultation: str, folder: Path, capsys: Capture
) -> tuple[Path, str]:
    """Export the evidence, verify both logs, see who read, and look for what is wrong."""
    bundle = folder / "evidence.anp1"
    assert await a.run("evidence", "export", consultation, "--output", str(bundle), "--json") == ExitCode.OK
    network = json.loads(capsys.readouterr().out)["network"]
    for node in (a, b):
        assert await node.run("audit", "verify") == ExitCode.OK
    assert await b.run("audit", "list", "--kind", "READ") == ExitCode.OK
    assert "CASE_WORK" in capsys.readouterr().out
    assert await a.run("health") == ExitCode.OK
    assert await a.run("doctor", "--peer", B) == ExitCode.OK
    assert "Both nodes hold the same directory." in capsys.readouterr().out
    return bundle, network


def verify_alone(bundle: Path, network: str, capsys: Capture) -> None:
    """The evidence holds without a node, and any change is named."""
    assert main(["evidence", "verify", str(bundle), "--root", network]) == ExitCode.OK
    assert "holds" in capsys.readouterr().out
    assert main(["evidence", "verify", str(bundle), "--root", network, "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["evidence", "verify", str(bundle), "--root", "ab" * 32]) == ExitCode.FAILED
    assert main(["evidence", "verify", str(bundle), "--root", "no"]) == ExitCode.USAGE
    assert main(["evidence", "verify", str(bundle.with_name("nothing")), "--root", network]) == ExitCode.USAGE
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    bundle.write_bytes(bytes(changed))
    assert main(["evidence", "verify", str(bundle), "--root", network]) == ExitCode.FAILED
    assert "does NOT hold" in capsys.readouterr().out


async def test_what_is_refused_says_what_to_do(tmp_path: Path, capsys: Capture) -> None:
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        request = write(tmp_path, MessageType.CONSULT_REQUEST)
        assert (
            await a.run("consult", "send", "--to", "xz-nobody", "--file", request)
            == ExitCode.REFUSED_BY_POLICY
        )
        error = capsys.readouterr().err
        assert "globe-node: error: xz-nobody is not in the directory" in error
        assert "hint: " in error
        answer = write(tmp_path, MessageType.ANSWER)
        assert await a.run("consult", "send", "--to", B, "--file", answer) == ExitCode.USAGE
        unknown = "019cadc6-9a80-7000-8000-000000000000"
        assert await a.run("consult", "reply", unknown, "--file", answer) == ExitCode.FAILED
        assert "no such consultation" in capsys.readouterr().err
        assert await a.run("consult", "show", "not-an-id") == ExitCode.USAGE
        bad = tmp_path / "bad.toml"
        bad.write_text(
            template_of(MessageType.CONSULT_REQUEST).replace('stage = "INVESTIGATION"', "stage = 1.5")
        )
        assert await a.run("consult", "send", "--to", B, "--file", str(bad)) == ExitCode.USAGE
        assert "stage" in capsys.readouterr().err
        assert await a.run("doctor", "--peer", "xz-nobody") == ExitCode.FAILED
        assert await a.run("consult", "list") == ExitCode.OK
        assert "no consultations yet" in capsys.readouterr().err


async def test_the_same_key_sends_once(tmp_path: Path, capsys: Capture) -> None:
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        request = write(tmp_path, MessageType.CONSULT_REQUEST)
        sending = (
            "consult",
            "send",
            "--to",
            B,
            "--file",
            request,
            "--idempotency-key",
            "case-17-1",
            "--json",
        )
        found = []
        for _ in range(2):
            assert await a.run(*sending) == ExitCode.OK
            found.append(json.loads(capsys.readouterr().out))
        assert found[0]["record_id"] == found[1]["record_id"]
        assert [one["repeated"] for one in found] == [False, True]


def test_without_a_home_there_is_a_hint(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--home", str(tmp_path / "none"), "consult", "list"]) == ExitCode.USAGE
    assert "init" in capsys.readouterr().err
    assert main(["--home", str(tmp_path / "none"), "doctor"]) == ExitCode.FAILED
    assert "There is no folder" in capsys.readouterr().out


async def test_health_names_a_peer_that_can_not_be_reached(tmp_path: Path, capsys: Capture) -> None:
    async with two_houses(tmp_path, (A, B)) as (a, b):
        b.stop.set()
        await b.task
        request = write(tmp_path, MessageType.CONSULT_REQUEST)
        assert await a.run("consult", "send", "--to", B, "--file", request, "--wait", "2") == ExitCode.OK
        assert "no receipt yet" in capsys.readouterr().err
        assert await a.run("health", "--dismiss-quarantine") == ExitCode.OK
        found = capsys.readouterr()
        assert "0 envelope(s) let go" in found.err
        assert "awaiting keys of" in found.out
        assert "peer_unreachable" in found.out
        assert await a.run("consult", "list") == ExitCode.OK
        assert "awaiting-keys" in capsys.readouterr().out
        assert await a.run("doctor", "--peer", B) == ExitCode.PEER_UNREACHABLE
        assert "Nobody takes connections" in capsys.readouterr().out
