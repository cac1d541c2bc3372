# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from globe_node.cli.commands import init
from globe_node.config import load_settings
from globe_node.directory.admission_request import parse_admission_request
from globe_node.home import Home
from keys import keystore
from keys.at_rest.passphrase_hash import passphrase_of
from keys.errors import KeyFileWriteError, WrongPassphraseError
from tests.support.command_line import CommandLine, Printed
from tests.support.keystore import PASSPHRASE, passphrase_file, quick_passphrase_hash

NETWORK = "ab" * 32
LEAST = ("--authority", "xa-acc", "--country", "XA", "--name", "Sample Commission")


@pytest.fixture
def globe(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    quick_passphrase_hash(monkeypatch)
    return CommandLine(tmp_path / "home", capsys)


def _init(globe: CommandLine, *more: str | Path) -> Printed:
    return globe("init", *LEAST, "--passphrase-file", passphrase_file(globe.home.parent), *more)


def test_it_makes_a_private_home_with_keys_and_settings(globe: CommandLine) -> None:
    done = _init(globe, "--endpoint", "https://node.example.org:8500", "--json")
    assert done.code == 0, done.err
    home = Home(globe.home)
    node = keystore.open_node(home.node_keys, passphrase_of(PASSPHRASE))
    root = keystore.open_root(home.root_key, passphrase_of(PASSPHRASE))
    assert (node.authority, node.node, root.authority) == ("xa-acc", "main", "xa-acc")
    assert done.json["root_key_id"] == root.signing.key_id
    assert done.json["signing_key_id"] == node.signing.key_id
    settings = load_settings(home)
    assert (settings.authority, settings.country, settings.kind) == ("xa-acc", "XA", "ACA")
    assert (settings.peering.endpoint, settings.peering.listen_port) == (
        "https://node.example.org:8500",
        8500,
    )
    assert settings.names == {"en": "Sample Commission"}
    assert not home.admission_request.exists()
    for path in (globe.home, *globe.home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_for_a_known_network_it_asks_for_admission(globe: CommandLine) -> None:
    done = _init(globe, "--network", NETWORK, "--name", 'fr=Commission d\'exemple = "A"', "--kind", "FIU")
    assert done.code == 0, done.err
    assert "give the admission request to the officers" in done.err
    request = parse_admission_request(Home(globe.home).admission_request.read_bytes())
    assert (request.network, request.authority, request.kind) == (NETWORK, "xa-acc", "FIU")
    assert request.names == {"en": "Sample Commission", "fr": 'Commission d\'exemple = "A"'}
    assert load_settings(Home(globe.home)).names == request.names
    assert load_settings(Home(globe.home)).network == NETWORK


def test_the_root_may_have_a_passphrase_of_its_own(globe: CommandLine) -> None:
    own = passphrase_file(globe.home.parent, "another five words by chance")
    assert _init(globe, "--root-passphrase-file", own).code == 0
    with pytest.raises(WrongPassphraseError):
        keystore.open_root(Home(globe.home).root_key, passphrase_of(PASSPHRASE))
    keystore.open_root(Home(globe.home).root_key, passphrase_of("another five words by chance"))


@pytest.mark.parametrize(
    ("listen", "host", "port"), [("192.0.2.1:9000", "192.0.2.1", 9000), ("[::]:0", "::", 0), (":9", "", 9)]
)
def test_it_listens_where_it_is_told(globe: CommandLine, listen: str, host: str, port: int) -> None:
    assert _init(globe, "--listen", listen).code == 0
    peering = load_settings(Home(globe.home)).peering
    assert (peering.listen_host, peering.listen_port) == (host, port)


def test_a_second_time_nothing_is_touched(globe: CommandLine) -> None:
    _init(globe)
    before = {path: path.read_bytes() for path in globe.home.rglob("*") if path.is_file()}
    again = _init(globe)
    assert again.code == 2
    assert "not empty" in again.err
    assert {path: path.read_bytes() for path in globe.home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--authority", "XA ACC"),
        ("--node", "main_1"),
        ("--country", "xa"),
        ("--country", "XAA"),
        ("--name", "two\nlines"),
        ("--name", "en=Twice in English"),
        ("--name", "fr=\u202eesrever"),
        ("--kind", "CLUB"),
        ("--endpoint", "http://node.example.org"),
        ("--endpoint", "https://node.example.org:22"),
        ("--endpoint", "https://169.254.169.254"),
        ("--listen", "9000"),
        ("--listen", "host:70000"),
        ("--listen", "host:\u0663"),
        ("--network", "AB"),
    ],
)
def test_what_is_not_well_asked_makes_nothing(globe: CommandLine, option: str, value: str) -> None:
    done = _init(globe, option, value)
    assert done.code == 2
    assert done.err.startswith("globe-node: error: ")
    assert "\nhint: " in done.err
    assert not globe.home.exists()


def test_a_short_passphrase_makes_nothing(globe: CommandLine) -> None:
    done = globe("init", *LEAST, "--passphrase-file", passphrase_file(globe.home.parent, "short"))
    assert done.code == 1
    assert "too short" in done.err
    assert not globe.home.exists()


def test_no_passphrase_makes_nothing(globe: CommandLine) -> None:
    done = globe("init", *LEAST)
    assert done.code == 1
    assert "--passphrase-file" in done.err
    assert not globe.home.exists()


def test_a_disk_that_fails_half_way_leaves_nothing(
    globe: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise KeyFileWriteError("no space", hint="make room")

    monkeypatch.setattr(init, "write_private", full)
    assert _init(globe).code == 1
    assert not globe.home.exists()
