"""Prices in the minor units of their currencies, as ISO 4217 numbers them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from .fields import Notes, as_number

_TWO_DIGITS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG HRK
"""
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS = (
    dict.fromkeys(_TWO_DIGITS.split(), 2)
    | dict.fromkeys(_NO_DIGITS.split(), 0)
    | dict.fromkeys(_THREE_DIGITS.split(), 3)
)
_HIGHEST = 10**12
_LONGEST = 64


class Price(NamedTuple):
    """A price in minor units (cents) of an ISO 4217 currency."""

    minor: int
    currency: str


def price_of(amount: object, currency: object) -> Price | None:
    """The price; None when the amount is negative or no number, or when the currency is unknown or cannot divide so."""
    if not isinstance(currency, str) or len(currency) >= 10 or not isinstance(amount, str | int | float):
        return None
    if isinstance(amount, str) and len(amount) > _LONGEST:
        return None
    return _price_of(amount, currency)


@lru_cache(maxsize=4096, typed=True)  # shops have few prices; True is none
def _price_of(amount: str | float, currency: str) -> Price | None:
    code = currency.strip().upper()
    exponent = _EXPONENTS.get(code)
    number = as_number(amount)
    if exponent is None or number is None:
        return None
    minor = Decimal(str(number)).scaleb(exponent)
    if minor != minor.to_integral_value() or not 0 <= minor <= _HIGHEST:
        return None
    return Price(int(minor), code)


def money(price: Price) -> str:
    """The price as people write it, e.g. `3.99 USD`."""
    digits = _EXPONENTS.get(price.currency, 0)
    return f"{Decimal(price.minor).scaleb(-digits):.{digits}f} {price.currency}"


def read_price(values: Mapping[Any, Any], field: str, currency_field: str, notes: Notes) -> Price | None:
    """The price of a field; what is wrong with one that cannot be is noted: the amount, or the currency."""
    amount, currency = values.get(field), values.get(currency_field)
    if amount is None or amount == "":
        return None
    price = price_of(amount, currency)
    if price is None:
        known = price_of(0, currency) is not None
        notes.add(field if known else currency_field, amount if known else currency)
    return price
