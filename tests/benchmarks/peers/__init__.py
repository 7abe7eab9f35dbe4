"""The peers: what a good engineer would write instead, each alone in its file and started as one process.

Each takes `<port> <database url> <keys file> [lean]`, listens on loopback, and answers
/healthz when it is ready.
"""
