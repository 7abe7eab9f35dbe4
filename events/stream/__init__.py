"""JetStream: connections to NATS, the relay that fills the stream, and what heals it."""
