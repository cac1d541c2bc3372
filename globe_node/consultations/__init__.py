# SPDX-License-Identifier: Apache-2.0
"""What people here do: ask, answer, read and prove. No HTTP, no retries: those are `api` and `delivery`."""
