"""Search: finds titles by words, names and facts in an index kept beside the database."""
