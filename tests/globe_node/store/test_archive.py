# SPDX-License-Identifier: Apache-2.0
"""The form of a backup: opens whole or not at all."""

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from globe_node.errors import StoreError
from globe_node.store import archive
from globe_node.store.archive import Manifest, read_archive, write_archive
from keys.at_rest import passphrase_hash
from keys.at_rest.passphrase_hash import CHEAPEST
from keys.secret import SecretBytes
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy

PASSPHRASE = SecretBytes(b"correct horse battery staple")


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id is tested elsewhere; here a plain hash stands in for it."""

    def stand_in(passphrase: SecretBytes, salt: bytes, cost: passphrase_hash.HashCost) -> SecretBytes:
        return SecretBytes(hashlib.sha256(passphrase.reveal() + salt + repr(cost).encode()).digest())

    monkeypatch.setattr(archive, "key_from", stand_in)


def sealed(folder: Path, contents: dict[str, bytes]) -> tuple[bytes, Manifest]:
    files = {}
    for name, data in contents.items():
        files[name] = folder / name.replace("/", "-")
        files[name].write_bytes(data)
    out = io.BytesIO()
    manifest = write_archive(
        out, files, {"node": "main"}, passphrase=PASSPHRASE, cost=CHEAPEST, entropy=SeededEntropy(1)
    )
    return out.getvalue(), manifest


def opened(data: bytes, folder: Path, passphrase: SecretBytes = PASSPHRASE) -> dict[str, bytes]:
    folder.mkdir(mode=0o700)
    manifest = read_archive(io.BytesIO(data), passphrase, folder)
    return {name: (folder / name).read_bytes() for name in manifest.files}


@pytest.mark.parametrize("size", [0, 1, 4000, 1024 * 1024, 2 * 1024 * 1024 + 17])
def test_what_goes_in_comes_out(tmp_path: Path, size: int) -> None:
    contents = {"node.db": bytes(range(256)) * (size // 256) + b"x" * (size % 256), "config.toml": b"a = 1\n"}
    data, manifest = sealed(tmp_path, {**contents, "keystore/node.sealed": b"sealed"})
    assert opened(data, tmp_path / "out") == {**contents, "keystore/node.sealed": b"sealed"}
    assert manifest.about == {"node": "main"}
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert (tmp_path / "out" / "keystore").stat().st_mode & 0o777 == 0o700


def test_nothing_of_the_files_can_be_read_in_it(tmp_path: Path) -> None:
    data, _ = sealed(tmp_path, {"config.toml": b"canary-of-the-settings", "node.db": b"canary" * 100})
    assert b"canary" not in data
    assert b"config.toml" not in data


def test_another_passphrase_does_not_open_it(tmp_path: Path) -> None:
    data, _ = sealed(tmp_path, {"node.db": b"db"})
    with pytest.raises(StoreError) as caught:
        opened(data, tmp_path / "out", SecretBytes(b"another passphrase"))
    assert caught.value.code is ReasonCode.REFUSED
    assert caught.value.hint


SAMPLE = {"node.db": b"d" * 3000, "keystore/node.sealed": b"k" * 500}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_or_missing_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    whole, _ = sealed(folder, SAMPLE)
    if data.draw(st.booleans()):
        changed = bytearray(whole)
        changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        changed = bytearray(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(StoreError):
        opened(bytes(changed), folder / "out")


def test_what_is_left_of_a_piece_may_be_shorter_than_its_tag(tmp_path: Path) -> None:
    whole, _ = sealed(tmp_path, {"node.db": b"db"})
    start = whole.index(b"}\n") + 2
    for length in range(20):
        with pytest.raises(StoreError):
            opened(whole[: start + length], tmp_path / f"out-{length}")


def test_pieces_can_not_be_cut_moved_or_joined(tmp_path: Path) -> None:
    piece = archive.PIECE_BYTES + 16
    whole, _ = sealed(tmp_path, {"node.db": b"\0" * (3 * archive.PIECE_BYTES)})
    start = whole.index(b"}\n") + 2
    head, body = whole[:start], whole[start:]
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    assert len(pieces) == 4
    for number, order in enumerate(
        ([0, 1, 2], [0], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3], [], [0, 1, 2, 3, 3])
    ):
        with pytest.raises(StoreError):
            opened(head + b"".join(pieces[at] for at in order), tmp_path / f"out{number}")


@given(st.binary(max_size=300))
def test_any_bytes_are_an_archive_or_refused(data: bytes) -> None:
    for content in (data, b"globe-node backup\n" + data):
        with pytest.raises(StoreError):
            read_archive(io.BytesIO(content), PASSPHRASE, Path("/nonexistent"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"v":1', b'"v":2', ReasonCode.BAD_VERSION),
        (b'"kdf":"argon2id"', b'"kdf":"argon2xx"', ReasonCode.STORE_CORRUPT),
        (b'"opslimit":3', b'"opslimit":1', ReasonCode.STORE_CORRUPT),
        (b'"opslimit":3', b'"opslimit":9999', ReasonCode.STORE_CORRUPT),
        (b'"opslimit":3', b'"opslimit":"3"', ReasonCode.STORE_CORRUPT),
        (b'"v":1', b'"v":1,"w":1', ReasonCode.STORE_CORRUPT),
        (b'"salt":"', b'"salt":"AA', ReasonCode.STORE_CORRUPT),
    ],
)
def test_a_header_of_another_form_is_refused(
    tmp_path: Path, old: bytes, new: bytes, code: ReasonCode
) -> None:
    data, _ = sealed(tmp_path, {"node.db": b"db"})
    with pytest.raises(StoreError) as caught:
        opened(data.replace(old, new, 1), tmp_path / "out")
    assert caught.value.code is code


@pytest.mark.parametrize(
    "name",
    ["../node.db", "/etc/passwd", "high-water", "keystore/../x.sealed", "keystore/.sealed", "node.lock"],
)
def test_only_names_of_the_list_go_in_and_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert not archive.is_archive_name(name)

    def write() -> bytes:
        out = io.BytesIO()
        write_archive(
            out,
            {name: tmp_path / "file"},
            {},
            passphrase=PASSPHRASE,
            cost=CHEAPEST,
            entropy=SeededEntropy(1),
        )
        return out.getvalue()

    with pytest.raises(StoreError):
        write()
    monkeypatch.setattr(archive, "is_archive_name", lambda _name: True)
    data = write()
    monkeypatch.undo()
    with pytest.raises(StoreError):
        opened(data, tmp_path / "out")
    assert list((tmp_path / "out").rglob("*")) == []


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    path.write_bytes(b"before")

    class Out(io.BytesIO):
        def write(self, data: object) -> int:
            path.write_bytes(b"after!")
            return 0

    with pytest.raises(StoreError):
        write_archive(
            Out(), {"node.db": path}, {}, passphrase=PASSPHRASE, cost=CHEAPEST, entropy=SeededEntropy(1)
        )
