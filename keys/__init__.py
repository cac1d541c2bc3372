# SPDX-License-Identifier: Apache-2.0
"""The secrets: holding them, and the acts that need them (sign, decapsulate, seal at rest).

It knows no network and no database. Only `keys.keystore` opens files.
"""
