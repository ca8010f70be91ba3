"""No platform in particular: what a payload says of a title, without offers, whoever it is from."""

from __future__ import annotations

from .disney_plus import GENRES as _DISNEY
from .genres import Vocabulary
from .hulu import GENRES as _HULU
from .netflix import GENRES as _NETFLIX
from .normalizer import Normalizer
from .prime_video import GENRES as _PRIME
from .rules import Rules

# A payload of a list that nobody has rules for uses the words that others use.
GENERIC = Normalizer(
    Rules(
        key="generic",
        name="Other platforms",
        vocabulary=Vocabulary({**_HULU, **_DISNEY, **_PRIME, **_NETFLIX}),
        has_offers=False,
    )
)
