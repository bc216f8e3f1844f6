"""Sources by id, each as its files are now."""
