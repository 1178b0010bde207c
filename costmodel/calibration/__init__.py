"""Times that are predicted from measurements of this machine, rather than bounded by its peak."""
