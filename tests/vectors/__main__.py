# SPDX-License-Identifier: Apache-2.0
"""Write all files of test data again."""

from tests.vectors.catalogue import FILES
from tests.vectors.files import FOLDER, read_file, written

if __name__ == "__main__":
    for name, make in FILES.items():
        (FOLDER / name).write_text(written(make(read_file(name))), "utf-8")
