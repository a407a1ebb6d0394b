"""The resources, a folder a noun; what they have in common is in `crud`."""
