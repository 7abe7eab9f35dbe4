"""HTTP in, HTTP out; the command line; the embedded servers; the composition root."""
