# SPDX-License-Identifier: Apache-2.0
"""Brings a database to the schema of this program. Not a place for tables: those are in the steps.

1. All missing steps are one transaction: after a crash the schema is the old one or the new one, whole.
2. A database that a newer program has written is refused, not guessed at.
3. `application_id` and `user_version` say in the file's header what it is; `user_version` is the last step.
4. alembic is imported only when there is a step to take.
"""

import importlib.resources
import re
from functools import cache

from sqlalchemy import Connection

from globe_node.errors import StoreError
from globe_node.store.driver import driver_of
from protocol.errors import ReasonCode

APPLICATION_ID = 0x474C4245
"""`GLBE`: says in the file header that this is a database of a GlobE node."""

_STEP = re.compile(r"v(\d{4})_[a-z_]+\.py", re.ASCII)


@cache
def newest_step() -> int:
    """Return the number of the last step this program knows."""
    folder = importlib.resources.files("globe_node.store.migrations") / "versions"
    return max(int(match[1]) for item in folder.iterdir() if (match := _STEP.fullmatch(item.name)))


def migrate(connection: Connection) -> bool:
    """Apply the steps this database lacks.

    Args:
        connection: the writer's connection, outside a transaction of the driver.

    Returns:
        True if the database was empty before.

    Raises:
        StoreError: it belongs to another program (`store_corrupt`) or to a newer one (`bad_version`).
    """
    driver = driver_of(connection)
    step = _step_of(connection)
    if step < newest_step():
        driver.execute("BEGIN IMMEDIATE")
        try:
            _upgrade(connection)
            driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            driver.execute(f"PRAGMA user_version = {newest_step()}")
            driver.execute("COMMIT")
        finally:
            driver.rollback()  # does nothing after the commit
    return step == 0


def _step_of(connection: Connection) -> int:
    driver = driver_of(connection)
    application = int(driver.execute("PRAGMA application_id").fetchone()[0])
    step = int(driver.execute("PRAGMA user_version").fetchone()[0])
    if application == 0 and step == 0:
        tables = int(driver.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        if tables == 0:
            return 0
    if application != APPLICATION_ID or step == 0:
        raise StoreError(
            "the database was made by another program",
            hint="check that the home folder is the right one",
            code=ReasonCode.STORE_CORRUPT,
        )
    if step > newest_step():
        raise StoreError(
            f"the database has schema {step}; this program knows up to {newest_step()}",
            hint="install the newer version again; going back needs a backup made before the upgrade",
            code=ReasonCode.BAD_VERSION,
        )
    return step


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # costs a quarter of a second, and is seldom needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    with importlib.resources.as_file(importlib.resources.files("globe_node.store.migrations")) as folder:
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
