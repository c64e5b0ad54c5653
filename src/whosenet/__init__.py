"""whosenet: whose net is it?"""

__version__ = "0.1.0"
