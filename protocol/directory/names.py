# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 -- letters that look alike are what this module is about
"""Names that a person could take for one another. Not a spell checker: it compares shapes, not meaning.

1. Two names are confusable when their skeletons are equal.
2. A skeleton is the name in NFKC, case folded, with lookalike letters of Cyrillic, Greek and Latin and
   lookalike digits put together, and without accents, spaces, punctuation and invisible characters.
3. The table is ours, small, and part of the protocol: changing it changes which admissions are refused.
"""

import unicodedata

LOOKALIKES = str.maketrans(
    {
        # Cyrillic, case folded
        "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ѐ": "e", "ё": "e", "ғ": "f", "ԍ": "g", "һ": "h",
        "н": "h", "і": "i", "ї": "i", "ӏ": "i", "ј": "j", "к": "k", "қ": "k", "ԛ": "q", "м": "m", "о": "o",
        "р": "p", "г": "r", "ѕ": "s", "т": "t", "ц": "u", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y",
        "ӡ": "3", "з": "3", "б": "6",
        # Greek, case folded
        "α": "a", "β": "b", "ε": "e", "η": "h", "ι": "i", "κ": "k", "μ": "m", "ν": "v", "ο": "o", "ρ": "p",
        "τ": "t", "υ": "y", "χ": "x", "ω": "w", "γ": "y", "ζ": "z", "σ": "o",
        # Latin letters that only look like others
        "ı": "i", "l": "i", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʋ": "v", "ø": "o", "đ": "d", "ħ": "h", "ł": "i",
        # digits and signs
        "0": "o", "1": "i", "|": "i", "!": "i",
    }
)  # fmt: skip
"""What each code point becomes; PROTOCOL.md section 10.3 lists the same."""
_ACCENTS = range(0x0300, 0x0370)
_DROPPED = {"Zs", "Zl", "Zp", "Cc", "Cf", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"}


def skeleton(name: str) -> str:
    """Return the shape of a name; equal shapes mean confusable names.

    Spec: PROTOCOL.md section 10.3, after Unicode Technical Standard 39 section 4.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().translate(LOOKALIKES)
    plain = (
        character
        for character in unicodedata.normalize("NFD", folded)
        if ord(character) not in _ACCENTS and unicodedata.category(character) not in _DROPPED
    )
    return unicodedata.normalize("NFKC", "".join(plain)).translate(LOOKALIKES)
