"""Connections and bodies: what holds for every client before anybody knows what it wants."""
