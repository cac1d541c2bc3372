# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from globe_node.cli.commands import network as commands
from globe_node.cli.main import main
from globe_node.directory.network_folder import NetworkFolder, open_network
from globe_node.directory.publish import update_authority
from globe_node.errors import ConfigError
from keys import fingerprint, keystore
from keys.at_rest.passphrase_hash import passphrase_of
from protocol.directory.bundle import bundle_to_bytes, parse_bundle
from protocol.directory.entries import AuthorityStatus
from protocol.directory.replay import replay
from protocol.directory.statements import PutContact
from protocol.identifiers import AuthorityId, Digest
from tests.support.clock import START
from tests.support.command_line import CommandLine, Printed
from tests.support.directory import request_of, sample_contact
from tests.support.identities import authority_root
from tests.support.keystore import PASSPHRASE, passphrase_file, quick_passphrase_hash

A = AuthorityId("xa-acc")


class Desk:
    """The officers' desk: a network folder and the command line."""

    def __init__(self, globe: CommandLine, folder: Path) -> None:
        self.globe = globe
        self.folder = folder
        self.secret = passphrase_file(folder.parent)

    def __call__(self, act: str, *more: str | Path) -> Printed:
        return self.globe("network", act, *more, "--dir", self.folder)

    def signed(self, act: str, *more: str | Path, by: tuple[int, ...] = (1, 2)) -> Printed:
        files = [f"--sign-with={self.folder / f'officer-{number}.sealed'}" for number in by]
        return self(act, *more, *files, "--passphrase-file", self.secret)

    def create(self, *more: str | Path) -> Printed:
        name = ("--name", "Sample network", "--passphrase-file", self.secret)
        return self("create", *name, *more)

    @property
    def network(self) -> Digest:
        return open_network(NetworkFolder(self.folder)).state.network.fingerprint

    def request(self, authority: str = A, network: Digest | None = None) -> Path:
        path = self.folder.parent / f"{authority}.json"
        path.write_bytes(request_of(authority, network or self.network).to_bytes())
        return path

    def status(self, authority: str = A) -> AuthorityStatus | None:
        entry = open_network(NetworkFolder(self.folder)).state.authority(AuthorityId(authority))
        return entry.status if entry is not None else None


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    quick_passphrase_hash(monkeypatch)
    return Desk(CommandLine(tmp_path / "home", capsys), tmp_path / "net")


@pytest.fixture
def desk(empty: Desk) -> Desk:
    assert empty.create("--sample").code == 0
    return empty


def test_create_makes_keys_and_a_root(empty: Desk) -> None:
    done = empty.create("--sample", "--json")
    assert done.code == 0, done.err
    bundle = parse_bundle((empty.folder / "network.bundle").read_bytes())
    state = replay(Digest(done.json["fingerprint"]), bundle.statements)
    assert (state.network.name, state.network.sample) == ("Sample network", True)
    assert done.json["digits"] == fingerprint.digits(state.network.fingerprint)
    assert done.json["thresholds"] == {"root": 2, "admit": 2, "suspend": 1}
    assert len(done.json["key_files"]) == len(state.network.officers) == 3
    for path in (empty.folder, *empty.folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_create_shows_digits_and_a_code(empty: Desk) -> None:
    done = empty.create("--officers", "5", "--threshold", "3", "--suspend-threshold", "2")
    assert done.code == 0, done.err
    assert fingerprint.digits(empty.network) in done.out
    assert "\u2580" in done.out
    assert "5; 3 admit, 2 suspend" in done.out
    assert not open_network(NetworkFolder(empty.folder)).state.network.sample


@pytest.mark.parametrize(
    "options",
    [("--threshold", "4"), ("--threshold", "0"), ("--suspend-threshold", "-1"), ("--officers", "8")],
)
def test_create_refuses_thresholds_that_mean_nothing(empty: Desk, options: tuple[str, ...]) -> None:
    assert empty.create(*options).code == 2
    assert not empty.folder.exists()


def test_a_network_is_founded_once(desk: Desk) -> None:
    before = {path: path.read_bytes() for path in desk.folder.iterdir()}
    done = desk.create()
    assert done.code == 1
    assert "already" in done.err
    assert {path: path.read_bytes() for path in desk.folder.iterdir()} == before


def test_a_failed_founding_leaves_no_keys(empty: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConfigError("no room", hint="make room")

    monkeypatch.setattr(commands, "make_network", fail)
    assert empty.create().code == 2
    assert list(empty.folder.iterdir()) == []


def test_two_officers_admit(desk: Desk) -> None:
    done = desk.signed("admit", desk.request(), desk.request("xb-ibu"), "--json")
    assert done.code == 0, done.err
    assert [entry["authority"] for entry in done.json["authorities"]] == ["xa-acc", "xb-ibu"]
    assert desk.status() is desk.status("xb-ibu") is AuthorityStatus.ACTIVE
    digits = fingerprint.digits(authority_root(A).signing.key_id)
    assert f"xa-acc: digits of its root key: {digits}" in done.err


def test_digits_that_were_compared(desk: Desk) -> None:
    digits = fingerprint.digits(authority_root(A).signing.key_id)
    request = desk.request()
    wrong = desk.signed("admit", request, "--compared", fingerprint.digits(Digest("0" * 64)))
    assert wrong.code == 4
    assert desk.status() is None
    assert desk.signed("admit", request, request, "--compared", digits).code == 2
    assert desk.signed("admit", request, "--compared", digits).code == 0
    assert desk.status() is AuthorityStatus.ACTIVE


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_person_is_asked_whether_the_digits_were_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(commands, "is_asked", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _prompt: answer.strip())
    assert desk.signed("admit", desk.request()).code == code
    assert (desk.status() is None) is bool(code)


def test_a_request_for_another_network_is_refused(desk: Desk) -> None:
    done = desk.signed("admit", desk.request(network=Digest("0" * 64)))
    assert done.code == 4
    assert "keys prove" in done.err


def test_one_officer_makes_a_draft_and_the_next_one_finishes_it(desk: Desk) -> None:
    first = desk.signed("admit", desk.request(), by=(3,))
    assert first.code == 5
    assert "1 of 2" in first.err
    (draft,) = desk.folder.glob("draft-*.json")
    assert desk.status() is None
    again = desk.signed("countersign", draft, by=(3,))
    assert again.code == 4
    done = desk.signed("countersign", draft, by=(1,))
    assert done.code == 0, done.err
    assert "digits of its root key" in done.err
    assert desk.status() is AuthorityStatus.ACTIVE
    assert not draft.exists()


def test_a_stranger_signs_nothing(desk: Desk, tmp_path: Path) -> None:
    other = Desk(desk.globe, tmp_path / "other")
    assert other.create().code == 0
    files = [f"--sign-with={path / 'officer-1.sealed'}" for path in (desk.folder, other.folder)]
    done = desk("admit", desk.request(), *files, "--passphrase-file", desk.secret)
    assert done.code == 4
    assert desk.status() is None


def test_suspended_and_admitted_again(desk: Desk) -> None:
    request = desk.request()
    assert desk.signed("admit", request).code == 0
    assert desk.signed("suspend", A, "--reason", "misuse", by=(3,)).code == 0
    assert desk.status() is AuthorityStatus.SUSPENDED
    assert desk.signed("admit", request, "--months", "6").code == 0
    assert desk.status() is AuthorityStatus.ACTIVE
    assert desk.signed("suspend", "xz-none", "--reason", "misuse").code == 4


def test_the_bundle_goes_out_with_what_came_in(desk: Desk, tmp_path: Path) -> None:
    assert desk.signed("admit", desk.request()).code == 0
    kept = open_network(NetworkFolder(desk.folder))
    said = update_authority(
        kept.state, authority_root(A), [PutContact(contact=sample_contact())], issued=START
    )
    incoming = tmp_path / "in.bundle"
    incoming.write_bytes(bundle_to_bytes(desk.network, [*kept.statements, said]))
    assert desk("import", incoming, "--json").json == {"added": 1, "statements": 3}
    assert desk("import", incoming).code == 0
    out = tmp_path / "out.bundle"
    done = desk("bundle", "-o", out)
    assert done.code == 0
    assert "ACTIVE" in done.out
    assert parse_bundle(out.read_bytes()).statements == (*kept.statements, said)
    assert desk("bundle", "--json").json["authorities"] == ["xa-acc"]


def test_a_changed_bundle_is_named_and_not_used(desk: Desk) -> None:
    path = desk.folder / "network.bundle"
    head, root = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + root[:-10] + b"\n")
    damaged = desk("bundle")
    assert damaged.code == 2
    assert "does not hold" in damaged.err


def test_what_is_not_there_is_named(desk: Desk, tmp_path: Path) -> None:
    nowhere = Desk(desk.globe, tmp_path / "nowhere")
    assert nowhere("bundle").code == 2
    assert desk.signed("admit", tmp_path / "none.json").code == 2
    assert desk.signed("admit", desk.request(), by=(9,)).code == 1
    files = [f"--sign-with={desk.folder / 'officer-1.sealed'}"] * 3
    done = desk("admit", desk.request(), *files, *["--passphrase-file", str(desk.secret)] * 2)
    assert done.code == 2


def test_the_key_files_open_with_their_passphrase(desk: Desk) -> None:
    officer = keystore.open_officer(desk.folder / "officer-1.sealed", passphrase_of(PASSPHRASE))
    assert officer.office == "officer-1"


def test_help_of_every_act(capsys: pytest.CaptureFixture[str]) -> None:
    for act in commands.command.commands:
        assert main(["network", act, "--help"]) == 0
        assert "Example" in capsys.readouterr().out
