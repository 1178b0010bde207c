"""Other people's networks, read from their files and described as graphs of operators that are counted."""
