"""The feed's store as wide rows: the migrations that make its tables.

Each `0001_….py` beside this has `STATEMENTS`; what they may not do is as for SQL: a released migration is
never changed, migrations only go forward, and they never drop what holds people's data. Each statement
must be one that does no harm the second time.
"""

HEAD = "0001"
"""The newest revision."""
