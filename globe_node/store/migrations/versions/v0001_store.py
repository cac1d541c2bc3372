# SPDX-License-Identifier: Apache-2.0
"""The store's own facts about this database."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of room `store`."""
    # name: incarnation - 16 hex digits, new after every restore
    op.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
