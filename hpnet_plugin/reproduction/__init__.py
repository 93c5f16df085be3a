"""The paper's tables: what is run for them, what it came to, what it takes."""
