# SPDX-License-Identifier: Apache-2.0
"""What alembic runs to apply the steps. Not a place to open a database: `migrate` hands the connection in."""

from alembic import context
from sqlalchemy import Connection


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=None, render_as_batch=True)
    context.run_migrations()


_run(context.config.attributes["connection"])
