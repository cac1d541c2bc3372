# SPDX-License-Identifier: Apache-2.0
"""How groups came from others, and since when hubs are silent."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `groups`."""
    op.execute("""
        CREATE TABLE group_history (
            group_id BLOB PRIMARY KEY,
            statements BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE hub_silence (
            hub TEXT PRIMARY KEY,
            since_ms INTEGER NOT NULL,
            tries INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
