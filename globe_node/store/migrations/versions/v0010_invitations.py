# SPDX-License-Identifier: Apache-2.0
"""Invitations are found by their group, to see who had no keys for one."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create an index of room `delivery`."""
    op.execute("CREATE INDEX outbox_invited ON outbox (routing_id, position) WHERE envelope_class = 3")
