"""Sign-in: OAuth 2.1 with rotating refresh tokens."""
