"""Token families: who signed in where, and which tokens are good."""
