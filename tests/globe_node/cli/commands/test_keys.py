# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import click
import pytest

from globe_node.cli.commands import keys as keys_command
from globe_node.cli.main import main
from globe_node.directory.admission_request import parse_admission_request
from globe_node.home import Home
from keys import fingerprint, keystore
from keys.at_rest.passphrase_hash import passphrase_of
from protocol.identifiers import Digest
from tests.support.command_line import CommandLine, Printed
from tests.support.keystore import PASSPHRASE, passphrase_file, quick_passphrase_hash

NETWORK = "cd" * 32


@pytest.fixture
def globe(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    quick_passphrase_hash(monkeypatch)
    command_line = CommandLine(tmp_path / "home", capsys)
    facts = ("--authority", "xa-acc", "--country", "XA", "--name", "Sample Commission")
    done = command_line("init", *facts, "--passphrase-file", passphrase_file(tmp_path))
    assert done.code == 0, done.err
    return command_line


def _keys(globe: CommandLine, *arguments: str | Path) -> Printed:
    return globe("keys", *arguments, "--passphrase-file", passphrase_file(globe.home.parent))


def test_show_names_every_key_and_no_secret(globe: CommandLine) -> None:
    held = keystore.open_node(Home(globe.home).node_keys, passphrase_of(PASSPHRASE))
    shown = _keys(globe, "show", "--json").json
    assert (shown["authority"], shown["node"]) == ("xa-acc", "main")
    assert shown["signing"]["id"] == held.signing.key_id
    assert shown["signing"]["fingerprint"] == fingerprint.digits(held.signing.key_id)
    assert shown["encryption"]["id"] == held.encryption.key_id
    assert shown["former_signing"] == []
    text = _keys(globe, "show").out
    assert fingerprint.digits(held.signing.key_id) in text
    assert held.signing.secret.reveal().hex()[:16] not in text


def test_the_digits_of_the_root_are_what_init_showed(globe: CommandLine) -> None:
    shown = _keys(globe, "fingerprint", "--json").json
    root = keystore.open_root(Home(globe.home).root_key, passphrase_of(PASSPHRASE))
    assert shown["id"] == root.signing.key_id
    assert shown["qr"] == fingerprint.qr_text(root.signing.key_id)
    assert _keys(globe, "fingerprint").out == fingerprint.digits(root.signing.key_id) + "\n"


def test_any_id_has_digits_without_a_passphrase(globe: CommandLine) -> None:
    done = globe("keys", "fingerprint", NETWORK, "--qr")
    assert done.code == 0
    digits, drawing = done.out.split("\n", 1)
    assert digits == fingerprint.digits(Digest(NETWORK))
    assert "█" in drawing


def test_the_network_of_the_settings_has_digits(globe: CommandLine) -> None:
    settings = Home(globe.home).settings
    settings.write_text(settings.read_text().replace('network = ""', f'network = "{NETWORK}"'))
    assert globe("keys", "fingerprint", "--network").out == fingerprint.digits(Digest(NETWORK)) + "\n"


@pytest.mark.parametrize(
    "arguments", [("XYZ",), ("--network",), (NETWORK, "--network"), (NETWORK.upper(),)], ids=repr
)
def test_what_names_nothing_is_refused(globe: CommandLine, arguments: tuple[str, ...]) -> None:
    done = globe("keys", "fingerprint", *arguments)
    assert done.code == 2
    assert "hint: " in done.err


def test_rotation_replaces_the_keys_and_keeps_the_old_ones_for_a_while(globe: CommandLine) -> None:
    before = _keys(globe, "show", "--json").json
    done = _keys(globe, "rotate", "--json")
    assert done.code == 0, done.err
    after = _keys(globe, "show", "--json").json
    assert done.json["replaced_key_id"] == before["signing"]["id"]
    assert done.json["signing"] == after["signing"]
    assert after["signing"]["id"] != before["signing"]["id"]
    assert after["encryption"]["id"] != before["encryption"]["id"]
    assert after["former_signing"][0]["id"] == before["signing"]["id"]
    assert after["former_encryption"][0]["id"] == before["encryption"]["id"]
    assert after["tls_certificate_sha256"] == before["tls_certificate_sha256"]
    assert "restart the node" in done.err
    assert before["signing"]["id"] in _keys(globe, "show").out


def test_rotation_can_renew_the_line_too(globe: CommandLine) -> None:
    before = _keys(globe, "show", "--json").json
    done = _keys(globe, "rotate", "--with-tls")
    assert done.code == 0
    assert fingerprint.digits(before["signing"]["id"]) in done.out
    assert _keys(globe, "show", "--json").json["tls_certificate_sha256"] != before["tls_certificate_sha256"]


def test_rotation_asks_at_a_terminal(globe: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise click.Abort

    before = Home(globe.home).node_keys.read_bytes()
    monkeypatch.setattr(keys_command, "is_asked", lambda: True)
    monkeypatch.setattr(click, "confirm", refuse)
    assert _keys(globe, "rotate").code == 1
    assert Home(globe.home).node_keys.read_bytes() == before
    assert _keys(globe, "rotate", "--yes").code == 0


def test_the_root_may_be_elsewhere_with_a_passphrase_of_its_own(globe: CommandLine, tmp_path: Path) -> None:
    own = passphrase_file(tmp_path, "another five words by chance")
    assert _keys(globe, "passphrase", "--of", "root", "--new-passphrase-file", own).code == 0
    safe = tmp_path / "safe"
    safe.mkdir(mode=0o700)
    Home(globe.home).root_key.rename(safe / "root.sealed")
    without = _keys(globe, "rotate")
    assert without.code == 1
    assert "no key file" in without.err
    with_both = _keys(globe, "rotate", "--root-file", safe / "root.sealed", "--root-passphrase-file", own)
    assert with_both.code == 0, with_both.err


def test_another_passphrase_opens_the_node_keys(globe: CommandLine, tmp_path: Path) -> None:
    own = passphrase_file(tmp_path, "another five words by chance")
    assert _keys(globe, "passphrase", "--new-passphrase-file", own).code == 0
    old = _keys(globe, "show")
    assert old.code == 1
    assert "does not open" in old.err
    assert globe("keys", "show", "--passphrase-file", own).code == 0


def test_a_request_for_a_network_is_written_later(globe: CommandLine) -> None:
    done = _keys(globe, "prove", "--network", NETWORK, "--json")
    assert done.code == 0, done.err
    request = parse_admission_request(Home(globe.home).admission_request.read_bytes())
    assert (request.network, request.names) == (NETWORK, {"en": "Sample Commission"})
    assert request.root_key_id == done.json["root_key_id"]
    other = _keys(globe, "prove", "--network", "ef" * 32)
    assert fingerprint.digits(request.root_key_id) in other.out


def test_a_request_needs_to_know_who_asks(globe: CommandLine) -> None:
    Home(globe.home).settings.write_text('authority = "xa-acc"\n')
    done = _keys(globe, "prove", "--network", NETWORK)
    assert done.code == 2
    assert "country" in done.err


def test_a_damaged_file_is_named_with_what_to_do(globe: CommandLine) -> None:
    path = Home(globe.home).node_keys
    path.write_bytes(path.read_bytes()[:-3])
    done = _keys(globe, "show")
    assert done.code == 1
    assert "damaged" in done.err
    assert "hint: Restore" in done.err


@pytest.mark.parametrize("name", ["show", "fingerprint", "rotate", "prove", "passphrase"])
def test_each_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", name, "--help"]) == 0
    assert f"globe-node keys {name}" in capsys.readouterr().out.split("Example", 1)[1]
