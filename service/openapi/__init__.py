"""The service's description of itself: an OpenAPI 3.1 document, and a page to browse it."""
