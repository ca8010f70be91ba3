"""The suggest plugin: titles, people and genres for what somebody has typed so far."""
