"""What proves a ledger: its Merkle tree, signed checkpoints, and who verifies them."""
