"""The `media-gateway` command line: a module per family of commands."""
