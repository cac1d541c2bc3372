# SPDX-License-Identifier: Apache-2.0
"""Backup beside a running node, and the same node in a new life."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from globe_node.cli.templates import template_of
from globe_node.errors import ExitCode
from globe_node.groups import records
from globe_node.groups.day_keys import SealedRow
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.records import StatePart
from globe_node.home import Home
from globe_node.store import archive, backup, driver
from globe_node.store.instance import InstanceFile
from keys import keystore
from keys.at_rest import sealed_file
from keys.entropy import SystemEntropy
from keys.secret import SecretBytes
from protocol.codes.message_types import MessageType
from protocol.identifiers import AuthorityId, ConsultationId
from tests.support.directory import certified_node_keys
from tests.support.houses import House, run_command, two_houses
from tests.support.keystore import quick_passphrase_hash

A, B = "xa-acc", "xb-ibu"
PASSPHRASE = "a long sample passphrase"
CANARY = "Sample Roads Ltd"
"""A name in the template of a request."""


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_passphrase_hash(monkeypatch)
    monkeypatch.setattr(archive, "key_from", vars(sealed_file)["key_from"])


def lock_up(home: Home, authority: str) -> None:
    """Put the keys that the house runs with into its keystore."""
    home.node_keys.unlink()
    keystore.create(
        home.node_keys,
        certified_node_keys(authority),
        SecretBytes(PASSPHRASE.encode()),
        entropy=SystemEntropy(),
    )


def passphrase_at(folder: Path, text: str = PASSPHRASE) -> tuple[str, str]:
    path = folder / f"passphrase-{len(text)}"
    path.touch(0o600)
    path.write_text(text + "\n")
    return ("--passphrase-file", str(path))


async def ask_something(a: House, folder: Path) -> None:
    request = folder / "request.toml"
    request.write_text(template_of(MessageType.CONSULT_REQUEST))
    assert CANARY in request.read_text()
    assert await a.run("consult", "send", "--to", B, "--file", str(request), "--wait", "30") == ExitCode.OK


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_running_node_is_backed_up_and_comes_back_in_a_new_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, opened = tmp_path / "a.backup", passphrase_at(tmp_path)
    async with two_houses(tmp_path, (A, B)) as (a, b):
        await ask_something(a, tmp_path)
        lock_up(a.home, A)
        for house in (a, b):
            for path in files_below(house.home.folder):
                assert CANARY.encode() not in path.read_bytes(), path.name
        capsys.readouterr()
        assert await a.run("backup", str(target), "--json", *opened) == ExitCode.OK
        made = json.loads(capsys.readouterr().out)
        assert {"node.db", "keystore/node.sealed"} <= set(made["holds"])
        assert await a.run("audit", "list", "--kind", "BACKUP", "--json") == ExitCode.OK
        (entry,) = json.loads(capsys.readouterr().out)["entries"]
        assert entry["event"]["digest"] == made["sha256"]
        assert await a.run("backup", str(target), *opened) == ExitCode.FAILED
        assert "never overwritten" in capsys.readouterr().err
        assert await a.run("restore", str(target), "--replace", *opened) == ExitCode.FAILED
        assert "another process" in capsys.readouterr().err
    assert CANARY.encode() not in target.read_bytes()

    again = Home(tmp_path / "again")
    assert await run_command(again, "restore", str(target), "--json", *opened) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["authority"] == A
    before, after = (InstanceFile(home.high_water).read().incarnation for home in (a.home, again))
    assert before != after
    assert await run_command(again, "audit", "verify", "--json", *opened) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert [head[0].rsplit("/", 1)[1] for head in report["heads"]] == [before, after]
    assert await run_command(again, "audit", "list", "--limit", "2", "--json", *opened) == ExitCode.OK
    kinds = [entry["event"]["kind"] for entry in json.loads(capsys.readouterr().out)["entries"]]
    assert kinds == ["RESTORE", "LOG_OPENED"]
    assert await run_command(again, "consult", "list", *opened) == ExitCode.OK


async def test_a_wrong_passphrase_restores_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, opened = tmp_path / "a.backup", passphrase_at(tmp_path)
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        lock_up(a.home, A)
        assert await a.run("backup", str(target), *passphrase_at(tmp_path, "another passphrase")) != 0
        assert not target.exists()
        assert await a.run("backup", str(target), *opened) == ExitCode.OK
    again = Home(tmp_path / "again")
    wrong = passphrase_at(tmp_path, "another passphrase")
    capsys.readouterr()
    assert await run_command(again, "restore", str(target), *wrong) == ExitCode.FAILED
    assert "passphrase" in capsys.readouterr().err
    assert not again.folder.exists()


async def test_a_changed_log_is_named_and_not_backed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, opened = tmp_path / "a.backup", passphrase_at(tmp_path)
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        await ask_something(a, tmp_path)
        lock_up(a.home, A)
    raw = sqlite3.connect(a.home.database)
    raw.execute(
        "UPDATE audit_entry SET vault = zeroblob(80) WHERE id = (SELECT max(id) FROM audit_entry) - 1"
    )
    raw.commit()
    raw.close()
    capsys.readouterr()
    assert await run_command(a.home, "backup", str(target), *opened) == ExitCode.FAILED
    assert "the audit log is not whole: entry" in capsys.readouterr().err
    assert not target.exists()


async def test_a_home_without_its_instance_file_can_be_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, opened = tmp_path / "a.backup", passphrase_at(tmp_path)
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        lock_up(a.home, A)
    a.home.high_water.unlink()
    assert await run_command(a.home, "backup", str(target), *opened) == ExitCode.OK
    assert "begins another life" in capsys.readouterr().err
    assert await run_command(a.home, "restore", str(target), "--replace", *opened) == ExitCode.OK
    assert await run_command(a.home, "audit", "verify", *opened) == ExitCode.OK


async def test_no_secret_of_a_group_is_in_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what lies in the rows, nor the file of the keys, in the copy that is sealed and in the home."""
    target, opened = tmp_path / "a.backup", passphrase_at(tmp_path)
    planted, group = b"planted octets of a sealed state " * 50, bytes(32)
    roster = (AuthorityId(A), AuthorityId(B))
    open_link = LinkRow(
        group, ConsultationId("c"), bytes(16), f"{A}/main", roster, GroupStatus.OPEN, epoch=3, changed_ms=1
    )
    async with two_houses(tmp_path, (A, B)) as (a, _b):
        lock_up(a.home, A)
    keys_then = b"the sealed keys of some days"
    a.home.group_keys.write_bytes(keys_then)
    writer = driver.connect_writer(a.home.database)
    records.put_links(writer, [open_link])
    records.put_cores(writer, [(group, StatePart(b"rev", SealedRow(7, planted)))])
    writer.close()
    copies: list[bytes] = []
    real = archive.write_archive

    def spy(out: BinaryIO, files: Mapping[str, Path], *rest: Any, **named: Any) -> archive.Manifest:
        copies.extend(path.read_bytes() for path in files.values())
        return real(out, files, *rest, **named)

    monkeypatch.setattr(backup, "write_archive", spy)
    assert await run_command(a.home, "backup", str(target), *opened) == ExitCode.OK
    assert len(copies) > 2
    again = Home(tmp_path / "again")
    assert await run_command(again, "restore", str(target), *opened) == ExitCode.OK
    copies.extend(path.read_bytes() for path in files_below(again.folder))
    for octets in copies:
        assert b"planted octets" not in octets
        assert keys_then not in octets
    assert not again.group_keys.exists()
    reader = driver.connect_reader(again.database)
    (found,) = records.links_of(reader, [ConsultationId("c")]).values()
    assert (found.status, found.roster, found.epoch) == (GroupStatus.LOST, roster, 3)
    reader.close()
