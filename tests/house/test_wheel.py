# SPDX-License-Identifier: Apache-2.0
"""What is shipped: three packages, nothing beside them, and no stray secret."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.source import PACKAGES, ROOT


def test_wheel_holds_the_three_packages_and_no_strays(tmp_path: Path) -> None:
    stray = ROOT / "keys" / "stray.key"
    stray.write_text("not a secret")
    try:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "build",
                "--wheel",
                "--no-isolation",
                "--outdir",
                str(tmp_path),
                str(ROOT),
            ],
            check=True,
            capture_output=True,
        )
    finally:
        stray.unlink()
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    files = [name for name in names if ".dist-info/" not in name]
    assert [name for name in files if not name.endswith((".py", "py.typed"))] == []
    shipped = {
        path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert shipped == {name for name in files if name.endswith(".py")}
