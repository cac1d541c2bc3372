# SPDX-License-Identifier: Apache-2.0
"""Any bytes in any file that a command is given (P11): an exit code and a clear error, nothing repeated.

Each case is the command line in this process, with a home, a network and key files of its own.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from globe_node.cli.main import main
from globe_node.cli.templates import template_of
from globe_node.errors import ExitCode
from globe_node.home import Home
from globe_node.store import archive
from keys.at_rest import sealed_file
from protocol.codes.message_types import MessageType
from protocol.directory.bundle import bundle_to_bytes
from tests.support.directory import request_of, sample_network
from tests.support.evidence import sample_bundle
from tests.support.keystore import passphrase_file, quick_passphrase_hash

CANARY = "xCANARYx"
FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
NETWORK = sample_network()
"""Its bundle is what the files are changed from."""
CONTACTS = b"""
[[contact]]
id = "duty"
role = "DUTY"
name = "Duty desk"
functions = ["ASSET_RECOVERY"]
languages = ["en"]
time_zone = "Africa/Nairobi"
working_days = ["mon"]
channels = [{kind = "NODE"}]
valid_from = 2026-01-31
confirmed_at = 2026-02-20
"""
KINDS = (
    "message.toml",
    "message.json",
    "contacts",
    "statements",
    "evidence",
    "admission",
    "node keys",
    "officer key",
    "settings",
    "passphrase",
    "backup",
)


class Desk:
    """A home, a folder of a network, and good files of every kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.passphrase = passphrase_file(folder)
        self.good: dict[str, bytes] = {}

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a command; return its exit code and everything it wrote."""
        written = io.StringIO()
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            code = main(["--home", str(self.home), *map(str, arguments)])
        return int(code), written.getvalue()

    def give(self, kind: str, data: bytes) -> tuple[int, str]:
        """Put bytes into a file of some kind and run the command that reads it."""
        path = self.folder / kind.replace(" ", "-")
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
        home = Home(self.home)
        if kind == "node keys":
            return self._in_place_of(home.node_keys, path, "keys", "show", *self.secret)
        if kind == "settings":
            return self._in_place_of(home.settings, path, "health", *self.secret)
        return self.run(*self.command(kind, path))

    @property
    def secret(self) -> tuple[str | Path, ...]:
        """The option that names the passphrase."""
        return ("--passphrase-file", self.passphrase)

    def command(self, kind: str, path: Path) -> tuple[str | Path, ...]:
        """The command that reads a file of some kind."""
        net, root = ("--dir", self.folder / "net"), ("--root", NETWORK.fingerprint)
        request = self.folder / "good-request"
        request.write_bytes(self.good["admission"])
        message = ("consult", "send", "--to", "xb-ibu", "--file", path)
        commands: dict[str, tuple[str | Path, ...]] = {
            "message.toml": message,
            "message.json": message,
            "contacts": ("directory", "publish", "--contacts", path, *self.secret),
            "statements": ("directory", "import", path, *root, *self.secret),
            "evidence": ("evidence", "verify", path, *root),
            "admission": ("network", "admit", path, *net, "--sign-with", self.officer, *self.secret),
            "officer key": ("network", "admit", request, *net, "--sign-with", path, *self.secret),
            "passphrase": ("keys", "show", "--passphrase-file", path),
            "backup": ("--home", self.folder / "other", "restore", path, *self.secret),
        }
        return commands[kind]

    @property
    def officer(self) -> Path:
        """The key file of an officer."""
        return self.folder / "net" / "officer-1.sealed"

    def _in_place_of(self, target: Path, path: Path, *arguments: str | Path) -> tuple[int, str]:
        genuine = target.read_bytes()
        try:
            target.write_bytes(path.read_bytes())
            return self.run(*arguments)
        finally:
            target.write_bytes(genuine)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        quick_passphrase_hash(patch)
        patch.setattr(archive, "key_from", vars(sealed_file)["key_from"])
        made = Desk(folder)
        secret = ("--passphrase-file", made.passphrase)
        facts = ("--authority", "xa-acc", "--country", "XA", "--name", "Sample Commission")
        bundle = folder / "good.bundle"
        bundle.write_bytes(bundle_to_bytes(NETWORK.fingerprint, NETWORK.statements))
        for arguments in (
            ("init", *facts, *secret),
            ("directory", "import", bundle, "--root", NETWORK.fingerprint, *secret),
            ("network", "create", "--dir", folder / "net", "--name", "Sample", "--sample", *secret),
            ("backup", folder / "good.backup", *secret),
        ):
            code, written = made.run(*arguments)
            assert code == 0, written
        home = Home(made.home)
        made.good.update(
            {
                "message.toml": template_of(MessageType.CONSULT_REQUEST).encode(),
                "message.json": b'{"type":"CLOSE","body":{"note":"' + CANARY.encode() + b'"}}',
                "contacts": CONTACTS,
                "statements": bundle.read_bytes(),
                "evidence": sample_bundle(),
                "admission": request_of("xb-ibu", NETWORK.fingerprint).to_bytes(),
                "node keys": home.node_keys.read_bytes(),
                "officer key": made.officer.read_bytes(),
                "settings": home.settings.read_bytes(),
                "passphrase": made.passphrase.read_bytes(),
                "backup": (folder / "good.backup").read_bytes(),
            }
        )
        yield made


def require_clear(code: int, written: str) -> None:
    """A listed exit code; a failure says something, and what; nobody is told of a fault of the software."""
    assert code in {int(one) for one in ExitCode}
    assert "unexpected" not in written, written
    assert "Traceback" not in written
    if code != ExitCode.OK:
        assert any(said in written for said in ("error: ", "does NOT hold", "refused: ", "not running"))
    assert not any(character in written for character in "\x1b\x07\r\x00")


Edit = tuple[int, int, bytes]
edits = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(0, 5), st.binary(max_size=5)), min_size=1, max_size=3
)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.binary(max_size=200))
def test_any_bytes(desk: Desk, kind: str, data: bytes) -> None:
    require_clear(*desk.give(kind, data))


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(changes=edits)
def test_any_change_of_a_good_file(desk: Desk, kind: str, changes: Sequence[Edit]) -> None:
    data = desk.good[kind]
    for start, length, put in changes:
        place = start % (len(data) + 1)
        data = data[:place] + put + data[place + length :]
    require_clear(*desk.give(kind, data))


NASTY = {
    "nothing": b"",
    "zeros": bytes(10_000),
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep TOML": b"a=" + b"[" * 50_000,
    "dotted TOML": b"a" + b".a" * 2_000 + b"=1",
    "a long number": b"a=" + b"9" * 10_000,
    "a long line": b"x" * 3_000_000,
    "escape sequences": b"\x1b[2J\x1b]52;c;AAAA\x07 = 1",
    "a name to repeat": b'"' + CANARY.encode() + b'" = ',
    "a format": b"%s%n{0}{home}",
    "CRLF and BOM": b"\xef\xbb\xbfa = 1\r\n",
}


@pytest.mark.parametrize("data", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("kind", KINDS)
def test_nasty_files(desk: Desk, kind: str, data: bytes) -> None:
    code, written = desk.give(kind, data)
    require_clear(code, written)
    assert code != ExitCode.OK
    assert CANARY not in written
