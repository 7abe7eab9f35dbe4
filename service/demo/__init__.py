"""The merchant that `customers up` begins with, and what `customers demo` does."""
