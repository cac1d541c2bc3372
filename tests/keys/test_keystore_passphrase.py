# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from keys.at_rest.passphrase_hash import passphrase_of
from keys.errors import KeyFilePermissionsError, NoPassphraseError, WeakPassphraseError
from keys.keystore import CREDENTIAL_NAME, PassphraseSources, read_passphrase

WORDS = "five words by chance hère"


def _file(folder: Path, data: bytes, *, name: str = "passphrase", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_the_first_line_of_a_file_is_the_passphrase(tmp_path: Path, ending: str) -> None:
    path = _file(tmp_path, (WORDS + ending).encode())
    assert read_passphrase(PassphraseSources(file=path)) == passphrase_of(WORDS)


def test_spaces_belong_to_it(tmp_path: Path) -> None:
    path = _file(tmp_path, b" words \n")
    assert read_passphrase(PassphraseSources(file=path)) == passphrase_of(" words ")


def test_a_credential_of_the_service_may_be_readable_as_the_service_manager_likes(tmp_path: Path) -> None:
    _file(tmp_path, WORDS.encode(), name=CREDENTIAL_NAME, mode=0o444)
    assert read_passphrase(PassphraseSources(credentials_folder=tmp_path)) == passphrase_of(WORDS)


def test_the_terminal_is_asked_when_the_service_has_no_credential(tmp_path: Path) -> None:
    sources = PassphraseSources(credentials_folder=tmp_path, ask=lambda: WORDS)
    assert read_passphrase(sources) == passphrase_of(WORDS)


def test_a_named_file_goes_before_all_others_and_is_the_only_one(tmp_path: Path) -> None:
    _file(tmp_path, b"of the credential", name=CREDENTIAL_NAME)
    named = _file(tmp_path, b"of the file")
    everything = PassphraseSources(file=named, credentials_folder=tmp_path, ask=lambda: "of the terminal")
    assert read_passphrase(everything) == passphrase_of("of the file")
    named.unlink()
    with pytest.raises(NoPassphraseError, match="can't be read"):
        read_passphrase(everything)


def test_without_any_source_it_says_what_to_do() -> None:
    with pytest.raises(NoPassphraseError) as caught:
        read_passphrase(PassphraseSources())
    assert "--passphrase-file" in caught.value.hint
    assert CREDENTIAL_NAME in caught.value.hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path, WORDS.encode(), mode=mode)
    with pytest.raises(KeyFilePermissionsError) as caught:
        read_passphrase(PassphraseSources(file=path))
    assert "chmod 600" in caught.value.hint


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPassphraseError):
        read_passphrase(PassphraseSources(file=_file(tmp_path, b"\xff\xfe")))
    with pytest.raises(NoPassphraseError):
        read_passphrase(PassphraseSources(file=tmp_path))


@pytest.mark.parametrize("data", [b"", b"\n", b"x" * 5000])
def test_an_empty_or_endless_line_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WeakPassphraseError):
        read_passphrase(PassphraseSources(file=_file(tmp_path, data)))
