"""Several properties of the same images."""
