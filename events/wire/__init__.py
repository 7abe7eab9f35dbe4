"""What leaves: messages, how they are made of events, and what describes them to others."""
