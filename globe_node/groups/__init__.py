# SPDX-License-Identifier: Apache-2.0
"""Group encryption in the store: each consultation is one MLS group, and its secrets live and die here."""
