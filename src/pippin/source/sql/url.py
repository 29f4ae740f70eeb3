"""Moved to `pippin.source.url`, for Redis has URLs too; here until nobody imports it from here."""

from pippin.source.url import INTERVAL as INTERVAL
from pippin.source.url import DatabaseError as DatabaseError
from pippin.source.url import DatabaseURL as DatabaseURL
from pippin.source.url import is_database as is_database
from pippin.source.url import masked as masked
from pippin.source.url import parse_url as parse_url
