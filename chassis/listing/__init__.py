"""What every list and every change has in common: pages, filters, orders, etags, masks, request ids.

All of it is pure; stores translate conditions, orders and keys into their own words.
"""

from chassis.listing.etag import etag_of, version_of
from chassis.listing.filter import Condition, FieldKind, FilterField, FilterValue, parse_filter
from chassis.listing.mask import chosen_fields
from chassis.listing.once import Once
from chassis.listing.order import parse_order
from chassis.listing.page import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    Page,
    PageRequest,
    next_token,
    page_of,
)

__all__ = [
    "DEFAULT_PAGE_SIZE",
    "MAX_PAGE_SIZE",
    "Condition",
    "FieldKind",
    "FilterField",
    "FilterValue",
    "Once",
    "Page",
    "PageRequest",
    "chosen_fields",
    "etag_of",
    "next_token",
    "page_of",
    "parse_filter",
    "parse_order",
    "version_of",
]
