"""Events in, tables out, and the reads of those tables. A projection is one file: shape, changes, queries."""
