# SPDX-License-Identifier: Apache-2.0
"""What an authority tells about itself beside contact points and keys: profile, legal frame, measures."""
