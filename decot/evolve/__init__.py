"""How a population of genomes is bred against a fitness it knows nothing of."""
