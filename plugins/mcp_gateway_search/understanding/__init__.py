"""What a query means: exact names, slots, people, misspelt names and words, and how sure we are."""
