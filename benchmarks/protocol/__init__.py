"""How fast the protocol path is, beside other servers that offer the same tools."""
