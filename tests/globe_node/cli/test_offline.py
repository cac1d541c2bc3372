# SPDX-License-Identifier: Apache-2.0
"""Reading beside a stopped node: the same lists and evidence, no content, and nothing is changed."""

import json
from pathlib import Path

import pytest

from globe_node.cli.templates import template_of
from globe_node.errors import ExitCode
from keys import keystore
from keys.entropy import SystemEntropy
from keys.secret import SecretBytes
from protocol.codes.message_types import MessageType
from tests.support.directory import certified_node_keys
from tests.support.houses import run_command, two_houses

A, B = "xa-acc", "xb-ibu"
PASSPHRASE = "a long sample passphrase"


async def test_a_stopped_node_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = tmp_path / "request.toml"
    request.write_text(template_of(MessageType.CONSULT_REQUEST))
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        sending = ("consult", "send", "--to", B, "--file", str(request), "--wait", "30", "--json")
        assert await a.run(*sending) == ExitCode.OK
        consultation = json.loads(capsys.readouterr().out)["consultation"]
    home = a.home
    home.node_keys.unlink()
    keystore.create(
        home.node_keys, certified_node_keys(A), SecretBytes(PASSPHRASE.encode()), entropy=SystemEntropy()
    )
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(PASSPHRASE + "\n")
    opened = ("--passphrase-file", str(passphrase))
    before = home.database.read_bytes()

    assert await run_command(home, "consult", "list", *opened) == ExitCode.OK
    assert consultation in capsys.readouterr().out
    assert await run_command(home, "consult", "show", consultation, *opened) == ExitCode.OK
    shown = capsys.readouterr()
    assert "signed by xb-ibu/main" in shown.out
    assert "Sample Roads Ltd" not in shown.out
    assert "nobody would log it" in shown.err
    assert await run_command(home, "audit", "verify", *opened) == ExitCode.OK
    assert await run_command(home, "health", *opened) == ExitCode.FAILED
    assert "the node is not running" in capsys.readouterr().out
    assert await run_command(home, "consult", "close", consultation) == ExitCode.FAILED
    assert "globe-node run" in capsys.readouterr().err
    assert home.database.read_bytes() == before
