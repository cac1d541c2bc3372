# SPDX-License-Identifier: Apache-2.0
"""What was lost is said again: members ask for it, and authors send what they kept."""
