"""What "hpnet benchmark growth" measures: each module gives some curves."""
