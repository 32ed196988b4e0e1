"""How much of a source is read: what others wrote may be of any size."""

FILE_BYTES = 512 << 20
DATABASE_BYTES = 4 << 30
LINE_BYTES = 1 << 20
ROWS = 100_000
COLUMNS = 512
STORED_BYTES = 64 << 20
"""Of all rows of one import, as the ledger keeps them."""
PARAMS = 256
METRICS = 256
TITLE = 1_000
NAME = 200
TEXT = 500
"""Of a parameter's value, in characters."""
