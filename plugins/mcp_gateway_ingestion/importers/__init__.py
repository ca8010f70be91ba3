"""The formats of catalogues: a module each that reads the files, and one that says what a record means."""
