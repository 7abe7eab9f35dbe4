"""The event feed over HTTP: pages, waiting for the next event, Server-Sent Events."""
