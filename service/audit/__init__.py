"""The past, over HTTP and on the command line: versions, histories, erasures, replays."""
