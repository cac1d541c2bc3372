# SPDX-License-Identifier: Apache-2.0
"""Where outside test data lies. The data is not part of this repository.

1. The folder is `shared/vectors` beside the repository, or what `GLOBE_VECTORS` names.
2. Without the folder a test is skipped with a reason; where `CI` is set it fails instead.
"""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.house.source import ROOT


def vectors_folder() -> Path:
    named = os.environ.get("GLOBE_VECTORS")
    return Path(named) if named else ROOT.parent / "shared" / "vectors"


def vector_path(name: str) -> Path:
    """Return the path of one file, such as `wycheproof/ed25519_test.json`, or skip the test."""
    path = vectors_folder() / name
    if not path.exists():
        reason = f"outside test data is absent: {name} (set GLOBE_VECTORS to its folder)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def vector_json(name: str) -> Any:
    """Read one JSON file, `.gz` or not, or skip the test."""
    data = vector_path(name).read_bytes()
    return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)


def wycheproof(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (group, test) pairs of one Wycheproof file, or skip the test."""
    document = vector_json(f"wycheproof/{name}")
    return [(group, test) for group in document["testGroups"] for test in group["tests"]]


def vector_text(name: str) -> str:
    """Read one text file, `.gz` or not, or skip the test."""
    data = vector_path(name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode("ascii")
