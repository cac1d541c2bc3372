# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the system has another way to say it")
def test_a_guarded_process_has_no_dump_and_makes_private_files(tmp_path: Path) -> None:
    code = (
        "import os, resource\nfrom globe_node.cli.process import guard_process\nguard_process()\n"
        "open('file', 'w').close()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), oct(os.stat('file').st_mode & 0o777))\n"
        "import ctypes\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["(0, 0) 0o600", "0"]
    assert os.umask(0o022) != 0o777
