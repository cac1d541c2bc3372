# SPDX-License-Identifier: Apache-2.0
"""What nodes sign about groups outside of them: places of commits, arrivals, requests to send again."""
