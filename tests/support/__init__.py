"""What several test modules share: servers, databases, waiting for a condition."""
