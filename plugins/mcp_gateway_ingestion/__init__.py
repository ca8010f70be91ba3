"""The ingestion plugin: brings titles and offers of many sources into the catalogue."""
