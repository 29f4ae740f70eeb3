"""Redis and Valkey: zones as hashes.

`url` where it is · `connection` reaching it · `layout` what is where in it · `values` fields to a record stream ·
`database` what is followed · `look_up` single names while a question waits · `write` the loader.
"""
