# SPDX-License-Identifier: Apache-2.0
"""Members show each other the receipts of hubs, outside of their groups: inside, a fork can't be seen."""
