"""The sessions of noxfile.py."""
