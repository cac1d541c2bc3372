# SPDX-License-Identifier: Apache-2.0
"""Who the leaves of groups are, since when, and which of them no longer stand."""
