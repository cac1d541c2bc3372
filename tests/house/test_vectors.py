# SPDX-License-Identifier: Apache-2.0
"""Outside test data that lies there is read by a test."""

import pytest

from tests.house.source import modules
from tests.support.vectors import vectors_folder

FOLDERS = (
    "argon2",
    "cctv",
    "hpke-pq",
    "hpke-rfc9180",
    "mls-implementations",
    "translog",
    "wycheproof",
    "xwing",
)
LEFT_OUT = (
    "mls-implementations/interop-configs",  # scripts of the program that made `interop-passive`: no cases
    "translog/README.md",
    "translog/cose-receipts/",  # proofs in CBOR, for an export that does not exist
    "translog/sunlight/argon-sth.json",  # a tree head that is no note, signed by a kind of key we do not know
)


def test_every_file_of_outside_data_is_read_by_a_test() -> None:
    """A name may be put together, as a folder and a list of files; each part has to be written down."""
    if not vectors_folder().is_dir():
        pytest.skip("outside test data is absent (set GLOBE_VECTORS to its folder)")
    sources = "\n".join(
        path.read_text("utf-8") for path in modules("tests") if path.name != "test_vectors.py"
    )
    unread = []
    for folder in FOLDERS:
        for path in sorted((vectors_folder() / folder).rglob("*.*")):
            name = path.relative_to(vectors_folder()).as_posix()
            if (
                path.is_file()
                and not name.startswith(LEFT_OUT)
                and path.name.partition(".")[0] != "LICENSE"
                and path.stem not in sources
            ):
                unread.append(name)
    assert unread == []
