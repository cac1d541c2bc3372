# SPDX-License-Identifier: Apache-2.0
"""One outside case of the composite construction, as data.

From draft-ietf-lamps-pq-composite-sigs-19, `src/testvectors.json`, case id-MLDSA65-Ed25519-SHA512 with
context; published by its authors under the IETF Trust's Simplified BSD terms for code components.
"""

import base64

MESSAGE = b"The quick brown fox jumps over the lazy dog."
CONTEXT = b"The lethargic, colorless dog sat beneath the energetic, stationary fox."
SEEDS = base64.b64decode(
    "I6V4IFKJVV5l3fVnYBy0cV+1k6d5ao9x1mjDvKh22Tdg6XQfX7imizxJC5Pkqg5dgiBu87jiJC4bz0cp8uFGqg=="
)
"""Private key: seed of the ML-DSA half, then seed of the Ed25519 half."""
SIGNATURE = base64.b64decode(
    "r3ma4PVEUN3jyVhD0ZKc5dSZ0fBvPveY7Tj5MeNZi/qtUpQKdyTH18cuBSdo9ghRwZVkP8EslO7hy5jz2IIxZIpQ9SLS0LIcbyR+"
    "iDoIP3CRoh8uMR1xfKICit+fxDhqeXDLL8VzAQFTcPDzHaQDVH5ShXiw+Zykvg6iaxYwrtp9mlCcquhu34Xy8M7PL5Zo0nsIDmZF"
    "z7giD7uLH1lDTL9WKMs38UH0kyuTy1BAfilj9L5fdc1XJ2PIWG0647ZKhtyusYjJibSR0nOlhyPbJqZ/0AXmi5upRsJGP7AJItKB"
    "bGWEsAxL6h0XMhKCwh9waS70zXfsNBdgB9Way4hTNNkOugVylEhStFtW/4zl14B947SwLgZyHQz8GFIzgyoxhbRo33gF80Btc43D"
    "odD+Tvj1Wm4h0CmYPNlTSaRxcHxpzSNv4q4FTxtSAe+Ye9s2JFM/FcqfAb6z8G/3FyNPpn3BvMmoEANy9MEKit5V7WVfIUbhUKzB"
    "JDaATIWTsCiOpvJ/ewGAhpwPr002T/At7W5DccCZ+jKs0elG7a6ztpunzV7swPmp4JrWAPEjerdyFdGxE8MGkSFMGtWox1HCAO8O"
    "Ynra2RXorUxK/syOBMDqRVb/vUcSgUwIZfWhCtol1Wy6Z1uMA2QngdHAgCya+xFnMbONEr8bDa5N5slDS/0aR50i2hyt5t3EiK0h"
    "exNeJtLYUds6ffvc00B79dJSvdXXZ3mkjNDntLEy1SL0WXlIoFSuqc0wH2zxR6cOzOdhLo8vX29tW0bCMaa+0F5IaM0yHnZJiq1V"
    "E35NoxGUOfFujnWTAe0BTtI6VhzPfNyFgUO//HnvTRh9na4ZdVgqLVfYvBBeYIBwz2UWqitj6+qiR88Fdw7fHmN/TUcnxcO+8hBQ"
    "dJ1DVLcim2fFCGM0YmDoGC8b/NgiReRQZkrBVvqemXzes3xWGaNsZdFfajGH/SIvKuBwwRtOT1HGjzb/tGm27/yGGC+0CX4qF9oi"
    "6zuI+ptdo03TXVZoGZpiwG9diFKyFpZaYqzfoZOtGB7eNLSGPkoxJZqSrkAUd/lUamT5nQSiIqc8+ewLImgEOVHus6ASuoKyJo/n"
    "vQV9cO3SvXyk02PpdWl5AuwlkNDHAa92an9aY3WHGxds4xDx71nViy0P7Ao3qgyPBstjfA/nGT+Ebm61Nar8qZRy8N8245PKSZZd"
    "RlZzyVHdggvLPixNRK++15JfvPDuAvQdJ0cNPRBjcH3+1caZKd8Mp2MMZsy/1DIeBHtD/ySGsJYZBjJ6F0TOffRHLi0ffXeI7gfu"
    "FPlvKNlk697ecCKKUnQUXcp8VLM6LpplA/Pz3LBRMGU2bSDa2qy8oHmo8h/gQODZscCosOXOWUJ546PIcQArThTZfm172RRhMdZa"
    "BcY/Ndx1CVxvozPGP0+WFYr0jfo1CPPbxMFQqdWFt0XchKiyfuNJNcH24BMUQEmLC3EF6LtKBqrHWp2GpA7w61FgMliVTCYesBN3"
    "5pFTMuaWuC+b6vj4qKPT76GGAQvFnEbyh8uHMMqrNqzox/V//FfBl+6iVWp6pYkLNDUdkQVEWrTpp1nJI1hFKBRC/vp8jSQSRyjZ"
    "V2oh8ho9kULKUe4JEdsCplQ97j+G7O6O2fwHB+Uho1bYWNRxH+eIajqDZ8HNthyFBaHkCxpVQz4H45N+0e+fiupP1JHl71uoT3Ld"
    "ECvP5aKwUhGObEl5uuqwv7r7YChmxfiNy0o0djnfUApVnKzpfmqxU+AQs2x/474V1YyGrr8XHDA6DbOcxx5FeHmZWlB+jGC1Na4j"
    "Mu2BjZknV+yLkJXYFD4rxdWbyNHRpvWsUCkY6J8BTqFtEiYb2K11ECaOquINetJjrIW307PNt928cpkggmBlTzBkkvyHDnQyiINn"
    "vpmdf4TFoBRMYi3bEFyMhD7PC0EK7DbhVWFBFAa25db2EkH6KoFwq4nPa9kS7zyjTdaICdMPhWCtNWB8GcOwAv5ruJcq9MbpQen+"
    "Ti0XLebGNepp4T1Atvx5+pH2dkbIcD5a1jzS0XAv2zMmJ9CBC5/jR3WyEjUwVsYShsCxnj2d5EoB3EaieqzmlObjRUpSbjuOCCT2"
    "hXlQheWTEDJJMr6ada2nBN8RgnDx8fOH4izvTu7hDS7q4yrIshsdsW7NABOwZ+Yp1ra5XWpp05RaGpifgtcMZ8hqga+CvawpA0Lv"
    "202CBc00FNT1ZRZL3rR6X/dYKgpEPhG1PnZuuZT+5UdVTT7fwKqjuJ43JyROFDhQmKV6Kdl2lJYCuCslgSDtBawjVKaNGPpjSUVx"
    "XaTyj80IyzobIUM9YeNO0w+6C68K4dTiv9+6/0/RCtYwQCl+QS2GWW6EIVI/WBmK0x3VbL3zGSeSd35tBedvyFqlgVFat2mqwWV3"
    "JF1fkpM8c9CRQSMO3RSrouxS8BwzZmN2cbxchRGYt836FpFlO6g4HuabzmQJr58/Xw2v00QHl7hRxWoEdgWEYHODxkCQslhtjmP3"
    "ta2lIc8NsxYpF/e6tDW2ESDKkRkZkQBb7KO39/mRKUg2R52tlVDQadmJcz6kFHVzvfdufg7Ii2Gv365rw+TPv5W8I1McAREVEC9x"
    "XIGQDRumgRORJGF9dNNACBodyYtvr31qGHJLtDVPbwjl6pLnImrsfut5RYaykL7LgiUcq6wqZ49lHWvI5Fp06+mSVyj6juN1dqLt"
    "bQlpXaxOH1X/x5Yz+ZSKGKjDfiv1fJaDUr41S5layN96m2F5PS0mZvZqlIzwFj+ECU2GiZcpLudjlgEMeJX22NLxWaf6ha5TO8Td"
    "LI5nii6qOAFSkE+EwhutRX4zvNxdVE5pjuerN4+ZSL1JCjzoesCXYqgpzJ1oBoMXuEZRNQWDmVgGtaMoKW3LzHE1oQ4sMt0qzTbb"
    "GAUtYEEVRFo4EocyObFxaWJY/91IHr0WEz18TpZBLcxaXoJp9d5qNdLg8+jbrWGWj9r/I8/dUPGn0ix8KrMJ6gRKEjMw5ot/hE1f"
    "Deq2E4wSdzCV36IHaxAMCEl7o4jofEuhusZUAywmiCHHlCVMQvXfK+t1BNdXb9Ylkp0igoy+pNQK0mRWhwqjNy8HLLnua8AAOyJM"
    "0KIc6UZFUeRVbh7y7Oz/rQBAaZAvn9ORpzII43+2iyT1X8tIkSL+WuF9J4r0bwFkXhBV3/envgxPvxBif5i7SJspaIVJ2TK4mbJh"
    "g1Tqa7waGlZ3SDE/X7QIej4b6sr0Oq81QUftNi+zAyfTIlF8V/3Tw4+BE1uSkrnnXEln8n19p1nnjwpJKg+/24h4rxBtNIK/2NCP"
    "9I5H3/ptnwx+npB2PYX8iyGFqzrfYm+uafE9pfBDvH9KwKDe2Om69oMXsRl+67WAuOD2Pf62oPsievsy36IZOdKLC0yWnMOiWBTq"
    "PsJRIK0Z4PpgYHX7AnkiXXNxQ4D2UZkiEhawZ9AZxz91CPG/uBLJRRne76+lMqcnzsUVgumEkqlyE+ejXJlwWc2XfMqmgJqYJJBT"
    "CGLri6/UxPUjKcO7MsRpRREUsQLV/hmzC458mvrcOMYtCNnm/TPYEYa6t47A4AX55tuOWULFvNkQXuM8K2OgMi3ufacp3smGlELS"
    "5WJzY49XnUJ25Abs2Cl5Nk2Pjgg2X11DgD9a21HpM388oQ1SmoxVtVOvMPC1ygegtat8NQu2N/4RiWzkPrpYo7hNlr41Qp3HGg/t"
    "kc7BDa9oQgVUGK7RnAy1y6h7qIOEdpJWiOqukLuBn9jYpXi9d0PvcGmc/K+09O2iZDFLCX9IMRnerdndTHgA9fUVBV8vIYis12zd"
    "UaFdivI6LvlvGYcCSn4dyfLc4pFZmCayoUvMYAOOt7GkvqBiy0WzrqqxEoCsL/fq0nQ4uhlRqtDPOZXOrFxMJweXDpD9ezH/iQPp"
    "A1sX/ptLonl+CAP7pvCnwTBrLtb1x52FLwhvvEi3Y3dToR0yvMjw4/bL2Ibh2CJnIY0zERQ01Fu9MifTqRnDJJNuT7ln681HPy1d"
    "LeiLA7NAf+QRG8mf5ym30taw87KTylCQ2ZSXalP8aJRXd367tOVUdCRa3X9rh55aeLxk7mQY55LIsKMmSNt8OtTUpyN+0sqUKluL"
    "rxJmalR3zWyBsYrET32SqY7H4bG8+RaU1yITwXUQuzLdI5zdBj/hCoXkUG3IXcUmE+o06RDxJ7mpX+A1QfD86pSA1faTHgBzRQn2"
    "sFKGtJsXALcydjvefdvwekT5Atwvb09HoX8dcAptdwju8qWzEq1fWIKxNAZT1YrQXuB6VG/NrJUBAUNuwN4vP5Tyt0RBXX0Bogn/"
    "wNRLVLQu1jxiWgg6miaVUGfYeCzbnf9AV32K1B8xNG55iqCoyt3fGh8jKFqCjcfU5v5JVFiu/g8aLz9mgJKkvxBKdo6wuwAAAAAA"
    "AAAABRAbICkv9ros+5zHDt4jIfhsBxFw9NeEQPRF2qF21Tu49bgnBsLSQg1HKUcN9GUFZApaQDL09qlDv33xnH83QYFqsx1iAw=="
)
