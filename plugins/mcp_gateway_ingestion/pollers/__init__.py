"""Sources of availability that are asked over the network, for those who have a key."""
