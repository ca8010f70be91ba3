"""How fast catalogues are taken in."""
