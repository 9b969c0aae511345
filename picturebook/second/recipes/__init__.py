"""How each model of the second edition is made: `python run.py train second-edition`."""
