"""The flow `verify`, and the class of the result."""
