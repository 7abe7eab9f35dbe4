"""The PostgreSQL and the NATS that `customers up` brings along, and the directory they live in."""
