# SPDX-License-Identifier: Apache-2.0
"""Groups by their status, and consultations by their state: what is over is found without looking at all."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.execute("CREATE INDEX group_link_by_status ON group_link (status, changed_ms)")
    op.execute("CREATE INDEX consultation_by_state ON consultation (state, updated_ms, id)")
