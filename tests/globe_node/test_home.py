# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from globe_node.errors import ConfigError
from globe_node.home import Home, make_home, replace_private, write_private


def test_every_place_is_in_the_home_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    places = [home.settings, home.node_keys, home.root_key, home.database, home.lock, home.high_water]
    places += [home.socket, home.admission_request, home.keystore]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_a_new_home_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "new" / "home")
    make_home(home)
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700


def test_an_empty_folder_becomes_a_private_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_home(Home(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "mine").write_bytes(b"")
    with pytest.raises(ConfigError, match="not empty") as caught:
        make_home(Home(tmp_path))
    assert caught.value.hint
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_home_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="can't be made"):
        make_home(Home(tmp_path / "file" / "home"))


def test_a_private_file_is_new_and_only_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"data")
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="not written"):
        write_private(path, b"other")
    assert path.read_bytes() == b"data"


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"one", b"two"):
        replace_private(path, data)
        assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_place_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder" / "in it").mkdir(parents=True)
    with pytest.raises(ConfigError, match="not written"):
        replace_private(tmp_path / "folder", b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
