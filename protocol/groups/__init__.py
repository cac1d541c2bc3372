# SPDX-License-Identifier: Apache-2.0
"""How this network uses group encryption: who may be in a group, who may change it, who puts it in order."""
