"""Bytes to messages and back: stdio, HTTP+SSE, streamable HTTP, REST."""
