# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from globe_node.config import load_settings
from globe_node.errors import ConfigError, ExitCode
from globe_node.home import Home


def _home(folder: Path, text: str) -> Home:
    home = Home(folder)
    home.settings.write_text(text, "utf-8")
    return home


def test_the_file_overrides_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(_home(tmp_path, 'authority = "xa-acc"\n[peering]\nlisten_port = 9000\n'))
    assert (settings.authority, settings.node, settings.peering.listen_port) == ("xa-acc", "main", 9000)


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBE_NODE_PEERING__LISTEN_PORT", "9001")
    text = 'authority = "xa-acc"\n[peering]\nlisten_port = 9000\nlisten_host = "192.0.2.1"\n'
    settings = load_settings(_home(tmp_path, text))
    assert (settings.peering.listen_port, settings.peering.listen_host) == (9001, "192.0.2.1")


def test_no_home_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(Home(tmp_path / "none"))
    assert "init" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('authority = "xa-acc"\ncolour = "red"\n', "colour"),
        ('authority = "xa-acc"\n[peering]\nlisten_prot = 1\n', "peering.listen_prot"),
        ('authority = "xa-acc"\n[peering]\nlisten_port = 70000\n', "peering.listen_port"),
        ('authority = "XA ACC"\n', "authority"),
        ('authority = "xa-acc"\n[peering]\nendpoint = "http://192.0.2.1"\n', "peering.endpoint"),
        ("", "authority"),
        ("authority = \n", "TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(_home(tmp_path, text))
    assert named in str(caught.value)
    assert caught.value.hint


def test_settings_that_are_no_text_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        load_settings(home)


def test_the_variable_of_the_command_line_is_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBE_NODE_HOME", str(tmp_path))
    assert load_settings(_home(tmp_path, 'authority = "xa-acc"\n')).authority == "xa-acc"
