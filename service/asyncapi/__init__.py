"""The AsyncAPI document: what leaves and comes in over NATS, described."""
