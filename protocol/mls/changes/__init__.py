# SPDX-License-Identifier: Apache-2.0
"""What a commit may change, what it makes of a group, and how the next epoch begins."""
