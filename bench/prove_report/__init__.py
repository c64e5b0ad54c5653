"""What the PROVE population shows, measured and put into tables."""
