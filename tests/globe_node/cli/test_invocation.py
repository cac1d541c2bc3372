# SPDX-License-Identifier: Apache-2.0
from datetime import UTC
from pathlib import Path

import click
import pytest

from globe_node.cli import invocation as invocation_module
from globe_node.cli.invocation import Invocation, is_asked
from globe_node.home import Home
from keys.at_rest.passphrase_hash import passphrase_of
from keys.errors import NoPassphraseError
from keys.keystore import CREDENTIAL_NAME
from tests.support.keystore import passphrase_file


def _invocation(folder: Path, **environment: str) -> Invocation:
    return Invocation(Home(folder), environment=environment)


def test_the_time_is_aware() -> None:
    assert Invocation(Home(Path("home"))).now().tzinfo is UTC


def test_the_file_of_the_option_goes_before_that_of_the_settings(tmp_path: Path) -> None:
    of_settings = passphrase_file(tmp_path, "of the settings")
    text = f'authority = "xa-acc"\npassphrase_file = "{of_settings}"\n'
    Home(tmp_path).settings.write_text(text)
    invocation = _invocation(tmp_path)
    assert invocation.passphrase(None, of="node keys") == passphrase_of("of the settings")
    of_option = passphrase_file(tmp_path, "of the option")
    assert invocation.passphrase(of_option, of="node keys") == passphrase_of("of the option")


def test_a_credential_of_the_service_is_found(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL_NAME).write_text("of the service")
    invocation = _invocation(tmp_path / "home", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert invocation.passphrase(None, of="node keys") == passphrase_of("of the service")
    with pytest.raises(NoPassphraseError):
        invocation.new_passphrase(None, of="node keys")


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    assert not is_asked()
    with pytest.raises(NoPassphraseError):
        _invocation(tmp_path).passphrase(None, of="node keys")


def test_a_person_is_asked_once_or_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append((text, options["confirmation_prompt"]))
        assert options["hide_input"] is True
        assert options["err"] is True
        return "typed by hand"

    monkeypatch.setattr(invocation_module, "is_asked", lambda: True)
    monkeypatch.setattr(click, "prompt", prompt)
    invocation = _invocation(tmp_path)
    assert invocation.passphrase(None, of="node keys") == passphrase_of("typed by hand")
    assert invocation.new_passphrase(None, of="root key") == passphrase_of("typed by hand")
    assert asked == [("Passphrase of the node keys", False), ("New passphrase of the root key", True)]
