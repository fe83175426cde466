"""How the outside reaches each thing that the use cases need."""
