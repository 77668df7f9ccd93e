"""The five stages: read inputs, call a room, write outputs. The only code that knows the paths of the graph."""
