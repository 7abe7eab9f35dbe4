"""What happened: the customer aggregate, the sealing of its events, and the PostgreSQL event store.

Nothing here knows HTTP or NATS. `customer.py` is pure; `database.py` owns the connections.
"""
