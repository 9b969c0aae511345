"""How each of the shipped models is made: `python run.py train picturebook`."""
