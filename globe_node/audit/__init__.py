# SPDX-License-Identifier: Apache-2.0
"""The append-only log of what this node did, its checkpoints, and the check that nobody changed it."""
