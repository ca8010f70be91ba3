"""The engines that search is measured beside."""
