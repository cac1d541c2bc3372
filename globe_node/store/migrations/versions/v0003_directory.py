# SPDX-License-Identifier: Apache-2.0
"""The directory: which network this node belongs to, and the signed statements it holds."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `directory`."""
    op.execute(
        "CREATE TABLE directory_network ("
        "id INTEGER PRIMARY KEY CHECK (id = 1), fingerprint TEXT NOT NULL, pinned_ms INTEGER NOT NULL) STRICT"
    )
    # position: the order of arrival, in which the statements can be replayed
    op.execute(
        "CREATE TABLE directory_statement ("
        "position INTEGER PRIMARY KEY, statement_id TEXT NOT NULL UNIQUE, chain TEXT NOT NULL, "
        "seq INTEGER NOT NULL, statement BLOB NOT NULL, source TEXT NOT NULL, received_ms INTEGER NOT NULL"
        ") STRICT"
    )
    op.execute("CREATE INDEX directory_statement_chain ON directory_statement (chain, seq)")
