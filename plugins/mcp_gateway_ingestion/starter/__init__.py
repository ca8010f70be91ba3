"""The starter catalogue: `titles.jsonl`, well-known films and series to begin with, most popular first.

The facts and the synopses were written for this project. `popularity` only expresses the order of the file, and
`offers` holds nothing that a change of licence could undo: a platform's own productions.
"""
