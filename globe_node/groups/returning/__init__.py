# SPDX-License-Identifier: Apache-2.0
"""Members change their own leaves: the hub places their commits, and who lost a group comes back."""
