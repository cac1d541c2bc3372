# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from globe_node.cli.backend import backend_of
from globe_node.cli.commands import directory as commands
from globe_node.cli.main import main
from globe_node.directory.network_folder import NetworkFolder, open_network
from globe_node.home import Home
from keys import fingerprint, keystore
from keys.at_rest.passphrase_hash import passphrase_of
from protocol.canonical import JSONObject
from protocol.directory.bundle import bundle_to_bytes, parse_bundle
from protocol.identifiers import Digest
from tests.support.command_line import CommandLine, Printed
from tests.support.directory import sample_network
from tests.support.keystore import PASSPHRASE, passphrase_file, quick_passphrase_hash

CONTACTS = """
[[contact]]
id = "duty"
role = "DUTY"
name = "Duty desk, asset recovery"
functions = ["ASSET_RECOVERY"]
languages = ["en", "fr"]
time_zone = "Africa/Nairobi"
working_days = ["mon", "tue"]
channels = [{kind = "NODE"}, {kind = "PHONE", address = "+254 20 0000000"}]
valid_from = 2026-01-31
confirmed_at = 2026-02-20
"""


class House:
    """A network and the home of one authority in it, on files alone."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.globe = CommandLine(folder / "home", capsys)
        self.net = NetworkFolder(folder / "net")
        self.secret = passphrase_file(folder)
        self.officers("create", "--name", "Sample network", "--sample")
        self.network = open_network(self.net).state.network.fingerprint

    def __call__(self, act: str, *more: str | Path) -> Printed:
        return self.globe("directory", act, *more, "--passphrase-file", self.secret)

    def officers(self, act: str, *more: str | Path) -> None:
        done = self.globe("network", act, *more, "--dir", self.net.folder, "--passphrase-file", self.secret)
        assert done.code == 0, done.err

    def init(self, *more: str) -> None:
        name = ("--authority", "xa-acc", "--country", "XA", "--name", "Sample Commission")
        place = ("--endpoint", "https://127.0.0.1:20001")
        done = self.globe("init", *name, *place, "--passphrase-file", self.secret, *more)
        assert done.code == 0, done.err

    def admit(self) -> None:
        signing = [f"--sign-with={self.net.officer_key(number)}" for number in (1, 2)]
        self.officers("admit", Home(self.globe.home).admission_request, *signing)

    def bundle(self) -> Path:
        path = self.folder / "network.bundle"
        assert self.globe("network", "bundle", "--dir", self.net.folder, "-o", path).code == 0
        return path

    def contacts(self, text: str = CONTACTS) -> Path:
        path = self.folder / "contacts.toml"
        path.write_text(text, "utf-8")
        return path


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> House:
    quick_passphrase_hash(monkeypatch)
    return House(tmp_path, capsys)


@pytest.fixture
def joined(house: House) -> House:
    """Admitted, with the bundle imported."""
    house.init("--network", house.network)
    house.admit()
    done = house("import", house.bundle())
    assert done.code == 0, done.err
    return house


def test_a_bundle_needs_the_fingerprint_once(house: House) -> None:
    house.init()
    bundle = house.bundle()
    assert house("import", bundle).code == 2
    assert house("import", bundle, "--root", "abc").code == 2
    assert house("import", bundle, "--root", "0" * 64).code == 4
    assert house("import", bundle, "--root", fingerprint.digits(Digest("0" * 64))).code == 4
    done = house("import", bundle, "--root", fingerprint.digits(house.network), "--json")
    assert done.code == 0, done.err
    assert done.json == {"counts": {"admitted": 1}, "refused": [], "statements": 1}
    again = house("import", bundle, "--json")
    assert again.json["counts"] == {"known": 1}


def test_the_settings_may_name_the_network(joined: House) -> None:
    assert joined("search", "--json").json["authorities"][0]["authority"] == "xa-acc"


def test_a_bundle_of_another_network_is_refused(joined: House) -> None:
    other = sample_network()
    path = joined.folder / "other.bundle"
    path.write_bytes(bundle_to_bytes(other.fingerprint, other.statements))
    assert joined("import", path).code == 4
    path.write_bytes(bundle_to_bytes(joined.network, other.statements))
    mixed = joined("import", path, "--json")
    assert mixed.code == 1
    assert [one["code"] for one in mixed.json["refused"]] == ["refused"] * 7
    assert "statement 1 refused" in joined("import", path).err


def test_what_is_no_bundle_is_named(joined: House) -> None:
    path = joined.folder / "none"
    assert joined("import", path).code == 2
    path.write_bytes(b"{}")
    assert joined("import", path).code == 1


def test_publish_says_what_differs_and_nothing_twice(joined: House) -> None:
    done = joined("publish", "--file", joined.contacts(), "--json")
    assert done.code == 0, done.err
    assert done.json == {"published": ["contact.put", "key.add", "endpoint.put"], "running": False}
    again = joined("publish", "--file", joined.contacts())
    assert again.code == 0
    assert "nothing to publish" in again.err
    shown = joined("show", "xa-acc", "--json").json
    assert [contact["id"] for contact in shown["contacts"]] == ["duty"]
    assert shown["nodes"][0]["in_use"] is True
    fewer = joined("publish", "--file", joined.contacts(CONTACTS.replace('"duty"', '"desk"')))
    assert fewer.out.split() == ["contact.put", "1", "contact.retire", "1"]
    assert "not running" in fewer.err


def test_what_was_published_reaches_the_officers_bundle(joined: House) -> None:
    assert joined("publish").code == 0
    mine = joined.folder / "mine.bundle"
    done = joined("export", mine, "--json")
    assert done.json["statements"] == 3
    joined.globe("network", "import", mine, "--dir", joined.net.folder)
    assert len(parse_bundle(joined.bundle().read_bytes()).statements) == 3
    assert "statements  3" in joined("export", mine).out


def test_a_rotated_key_is_published_and_a_lost_one_declared(joined: House) -> None:
    assert joined("publish").code == 0
    old = keystore.open_node(Home(joined.globe.home).node_keys, passphrase_of(PASSPHRASE)).signing.key_id
    assert joined.globe("keys", "rotate", "--passphrase-file", joined.secret, "--yes").code == 0
    assert joined("publish", "--json").json["published"] == ["key.add"]
    lost = ("--compromised", old, "--since", "2026-03-01")
    assert joined("publish", *lost, "--json").json["published"] == ["key.compromised"]
    states = {node["key"]: node["state"] for node in joined("show", "xa-acc", "--json").json["nodes"]}
    assert sorted(states.values()) == ["ACTIVE", "COMPROMISED"]
    assert states[old] == "COMPROMISED"
    for options in (
        ("--compromised", old),
        ("--since", "2026-03-01"),
        ("--compromised", "0" * 64, *lost[2:]),
    ):
        assert joined("publish", *options).code == 2


def test_an_authority_that_was_not_admitted_publishes_nothing(house: House) -> None:
    house.init("--network", house.network)
    assert house("import", house.bundle()).code == 0
    done = house("publish")
    assert done.code == 4
    assert "not admitted" in done.err


def test_looking_up(joined: House) -> None:
    assert joined("publish", "--file", joined.contacts()).code == 0
    found = joined("search", "duty", "--country", "xa", "--function", "ASSET_RECOVERY", "--language", "fr")
    assert "Duty desk, asset recovery" in found.out
    assert "confirmed" in found.out.lower()
    assert joined("search", "nobody").err.startswith("nobody like that")
    assert "leave out --country and" in joined("search", "duty", "--country", "XB").err
    empty = joined("search", "--country", "XB", "--json").json
    assert (empty["authorities"], empty["complete"]) == ([], True)
    shown = joined("show", "xa-acc").out
    for part in ("ACTIVE", "Sample Commission", "PHONE +254 20 0000000", "days ago", "in use", "20001"):
        assert part in shown
    assert joined("show", "xz-none").code == 4
    listed = joined.globe("audit", "list", "--kind", "DIRECTORY_LOOKUP", "--passphrase-file", joined.secret)
    assert listed.out.count("DIRECTORY_LOOKUP") == 3
    assert "duty" not in listed.out


def test_the_way_to_a_kind_of_help(joined: House) -> None:
    assert joined("publish", "--file", joined.contacts()).code == 0
    done = joined("route", "xa", "BANK_DETAIL", "--offence", "20", "--urgent")
    assert done.code == 0, done.err
    assert "this needs a formal request in XA" in done.out
    assert "a formal request goes to" in done.out
    found = joined("route", "XA", "ASSET_LOCATE", "--network", "globe", "--json").json
    assert [one["way"] for one in found["routes"]] == ["INFORMAL"]
    assert "nobody in XZ" in joined("route", "XZ", "LAND").out
    assert joined("route", "XZ", "MAGIC").code == 2
    assert joined("route", "Kenya", "LAND").code == 2
    listed = joined.globe("audit", "list", "--kind", "DIRECTORY_LOOKUP", "--passphrase-file", joined.secret)
    assert "DIRECTORY_LOOKUP" not in listed.out


def test_a_guide_of_ones_own(joined: House) -> None:
    file = joined.folder / "guide.csv"
    row = "XA,LAND,DOCUMENT,Certified copy,Act 12,2026-03-01"
    file.write_text(f"country,help,field,value,source,as_of\n{row}\n", "utf-8")
    done = joined("guide", "import", file)
    assert done.code == 0, done.err
    assert done.out.split() == ["facts", "1", "countries", "XA"]
    shown = joined("guide", "show", "xa", "LAND")
    assert "Certified copy" in shown.out
    assert "Act 12" in joined("route", "XA", "LAND").out
    assert "says nothing" in joined("guide", "show", "XB").err
    file.write_text("country\n", "utf-8")
    refused = joined("guide", "import", file)
    assert refused.code == 2
    assert "guide.csv: row 1" in refused.err
    listed = joined.globe("audit", "list", "--kind", "DIRECTORY_CHANGE", "--passphrase-file", joined.secret)
    assert listed.out.count("guide facts=1,countries=1") == 1


def test_to_leave_is_final_and_asked_for(joined: House) -> None:
    assert joined("leave", "--reason", "left").code == 2
    done = joined("leave", "--reason", "left", "--yes")
    assert done.code == 0, done.err
    assert joined("show", "xa-acc", "--json").json["status"] == "SUSPENDED"


def test_what_anybody_may_see_is_written_and_verified_by_a_stranger(joined: House, tmp_path: Path) -> None:
    seen = joined.contacts(CONTACTS + 'visibility = "PUBLIC"\n')
    assert joined("public", joined.folder / "web").code == 4
    assert joined("publish", "--file", seen).code == 0
    done = joined("public", joined.folder / "web", "--json")
    assert done.code == 0, done.err
    assert (done.json["made_by"], done.json["directory_size"], done.json["files"]) == ("xa-acc/main", 3, 4)
    told = json.loads((joined.folder / "web/authorities/xa-acc.json").read_bytes())
    assert [contact["name"] for contact in told["contacts"]] == ["Duty desk, asset recovery"]
    stranger = CommandLine(tmp_path / "nowhere", joined.globe.capsys)
    for root in (joined.network, fingerprint.digits(joined.network)):
        found = stranger("directory", "verify-public", joined.folder / "web", "--root", root, "--json")
        assert found.code == 0, found.err
        assert found.json == done.json
    assert "made by" in stranger("directory", "verify-public", joined.folder / "web", "--root", root).out
    for root, code in (("0" * 64, 4), ("abc", 2), ("", 2)):
        words = ("directory", "verify-public", joined.folder / "web", "--root", root)
        assert stranger(*words).code == code
    (joined.folder / "web/index.json").write_bytes(b"{}")
    found = stranger("directory", "verify-public", joined.folder / "web", "--root", joined.network)
    assert found.code == 1
    assert "index.json is not the file" in found.err


class Running:
    """A running node that counts what it is given."""

    running = True

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        assert arguments is not None
        statements = arguments["statements"]
        assert isinstance(statements, list)
        self.calls.append((operation, len(statements)))
        one: JSONObject = {"index": 0, "code": "refused", "rule": "a rule"}
        refused = [one] if len(self.calls) == 2 else []
        return {"counts": {"admitted": len(statements) - len(refused)}, "refused": refused, "changed": True}


@pytest.fixture
def running(joined: House, monkeypatch: pytest.MonkeyPatch) -> Running:
    node = Running()
    monkeypatch.setattr(commands, "backend_of", lambda *_: node)
    return node


def test_a_running_node_gets_a_bundle_in_parts(
    joined: House, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PART_BYTES", 60_000)
    monkeypatch.setattr(commands, "is_fancy", lambda: True)
    other = sample_network()
    path = joined.folder / "large.bundle"
    path.write_bytes(bundle_to_bytes(joined.network, other.statements))
    done = joined("import", path)
    assert [count for _, count in running.calls] == [2, 2, 2, 1]
    assert done.code == 1
    assert "statement 3 refused: a rule (refused)" in done.err
    assert "7 of 7" in done.err


def test_a_refusal_by_the_node_is_told(joined: House, monkeypatch: pytest.MonkeyPatch) -> None:

    class Refusing:
        running = True

        def __init__(self, *arguments: Any) -> None:
            self._real = backend_of(*arguments)

        def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
            if operation != "directory.import":
                return self._real.call(operation, arguments)
            return {
                "counts": {},
                "refused": [{"index": 0, "code": "dir_chain", "rule": "x"}],
                "changed": False,
            }

    monkeypatch.setattr(commands, "backend_of", Refusing)
    done = joined("publish")
    assert done.code == 4
    assert "dir_chain" in done.err


def test_help_of_every_act(capsys: pytest.CaptureFixture[str]) -> None:
    for act in commands.command.commands:
        assert main(["directory", act, "--help"]) == 0
        assert "Example" in capsys.readouterr().out
